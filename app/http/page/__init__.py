"""The page at /: upload files, watch them, look at the network. It uses the public API only.

`src/` is TypeScript. `make page` builds `static/`, which is kept in git and shipped in the wheel. So
nobody who runs the service needs Node.js.
"""
