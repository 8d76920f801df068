"""What a store and limits give: decisions per second, and turns against a judge."""
