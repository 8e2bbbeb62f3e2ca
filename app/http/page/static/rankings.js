import{g as n}from"./chunk.js";function a(){return n("main",{id:"main",tabIndex:-1,class:"rankings"})}export{a as default};
