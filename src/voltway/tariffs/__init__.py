"""The tariff model (OCPI's), the price engine, explanations, assignment."""
