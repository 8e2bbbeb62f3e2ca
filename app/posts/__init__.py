"""This room turns bytes into posts and rejects. Its subjects are formats, encodings, columns and handles.

Every module is pure: no module uses a server, a file or a clock.
"""
