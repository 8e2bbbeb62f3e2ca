import{g as n}from"./chunk.js";function e(){return n("main",{id:"main",tabIndex:-1,class:"user"})}export{e as default};
