"""A RECIPE + TEXT -> A MODEL."""
