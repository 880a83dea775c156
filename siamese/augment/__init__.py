"""Sets: masks chosen and transformed by a plan, the pictures made of them, their scores and what people decided."""
