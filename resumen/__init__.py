"""Resumen: what instruction tuning and fine-tuning buy a T5 at summarizing Spanish news."""
