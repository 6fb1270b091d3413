package matrix

// atTraces is where traces go.
var atTraces = Endpoint{TraceCollector, ZoneOutside}

// Ends of the audit trail's flows.
var (
	atAuditor = Endpoint{Auditor, ZoneControlPlane}
	atArchive = Endpoint{AuditArchive, ZoneOutside}
)

// auditRows are by what the audit trail reaches the site's archive. The process that dials reads the trail's files, and has no right at the API server.
func auditRows() []Row {
	archive := func(r Row) Row {
		r.From, r.To, r.Protocol, r.Feature = atAuditor, atArchive, TCP, "audit archive"
		r.Confidential, r.Integrity = yes("TLS 1.2 or later"), yes("TLS 1.2 or later; the records are a chain with signed checkpoints, whoever carries them")
		r.Trusted = no("the archive may be anywhere", "the archive's certificate is verified before anything is sent, and records hold no secrets")
		return r
	}
	https := archive(Row{
		ID: "1.11", Name: AuditorToArchive, Ports: Port(443), Application: "HTTPS",
		Authenticated: yes("the archive by its certificate; Ingot by a token or a client certificate"),
		Purpose:       "the audit trail is kept apart, where who can change it cannot",
	})
	database := archive(Row{
		ID: "1.12", Name: AuditorToArchiveDatabase, Ports: Port(5432), Application: "Postgres",
		Authenticated: yes("the archive by its certificate; Ingot by a password or a client certificate"),
		Purpose:       "the audit trail is kept in PostgreSQL or TimescaleDB, where it is searched",
	})
	return []Row{https, database, names(Row{ID: "1.13", Name: AuditorToDNS, From: atAuditor, Purpose: "resolve the name of the audit archive"}, "the name of the audit archive only")}
}
