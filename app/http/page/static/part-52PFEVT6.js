import{g as e}from"./part-JVS53XD4.js";function n(){return e("main",{id:"main",tabIndex:-1,class:"operate"})}export{n as default};
