"""The regression gate: is NEW worse than BASE?"""
