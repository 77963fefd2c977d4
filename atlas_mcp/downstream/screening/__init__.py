"""What servers say is data: hidden characters taken out, orders to a model found, lengths cut."""
