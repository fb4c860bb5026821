"""Training of the separator that the package ships: open-unmix's network on rendered drums and their company."""
