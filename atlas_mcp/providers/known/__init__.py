"""What is known of models: declared, reported and observed; what they cost and how well they answer."""
