"""The routes: a module for each noun, with a router at its end. Two nouns share nothing but app.http.parameters."""
