"""A cluster under continuous upload while everything in it is killed, stopped, cut off: is every row there once?"""
