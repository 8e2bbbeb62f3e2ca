import{g as n}from"./part-JVS53XD4.js";function e(){return n("main",{id:"main",tabIndex:-1,class:"network"})}export{e as default};
