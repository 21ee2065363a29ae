-- Revenue in other currencies than the operator's is rare; it is read where it stands.
CREATE INDEX cdr_by_currency ON cdr (operator_id, currency, ended_at);
