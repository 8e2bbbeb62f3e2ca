"""Everything that is known to hurt such a service, done to one running stack, beside a client who means well."""
