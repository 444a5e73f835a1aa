"""Fine-tuning: which stages of a pre-trained network learn, and how."""
