"""Networks trained with weights of low rank."""
