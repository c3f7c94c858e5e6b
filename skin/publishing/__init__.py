"""Runs made ready to be handed to others: the model card, a folder for the Hub, a Space that only shows."""
