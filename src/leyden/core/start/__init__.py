"""What is looked at before torch is imported, and how it is imported then."""
