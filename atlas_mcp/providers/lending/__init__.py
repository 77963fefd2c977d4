"""A group lent to other programs as an endpoint that speaks as the chat completions API does."""
