"""Networks for language: encoders, and how published weights become theirs."""
