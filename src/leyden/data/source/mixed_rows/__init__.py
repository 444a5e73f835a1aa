"""Tables whose columns differ in kind: files of one's own, a thinned real one, and generated ones."""
