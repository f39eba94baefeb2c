"""Pretrained forecasters: they see one context and are not trained. Weights are files of yours; nothing is downloaded."""
