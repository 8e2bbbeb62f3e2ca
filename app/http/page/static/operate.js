import{g as e}from"./chunk.js";function n(){return e("main",{id:"main",tabIndex:-1,class:"operate"})}export{n as default};
