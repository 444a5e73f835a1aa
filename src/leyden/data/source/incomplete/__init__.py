"""Tables whose cells may be empty: of one's own as CSV, and generated ones of low rank."""
