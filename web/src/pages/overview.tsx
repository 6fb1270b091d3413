import type { PageProps } from '../app'
import { useLive } from '../live'
import { Frame, Table } from '../parts'
import { Severity, Since, useNow } from '../words'

interface Issue {
  id: string
  severity: string
  kind: string
  name: string
  cause: string
  remedy: string
  since?: string
}

interface Body {
  hosts: number
  states: { name: string; hosts: number }[] | null
  outcomes: Record<string, number>
  issues: Issue[] | null
  issueCount: number
  capacity: { partition: string; size: string; total: number; allocated: number; available: number; free: number; reserved: number; faulty?: unknown[]; other?: unknown[] }[] | null
  recent: { host: string; at: string; stage: string; step?: string; result?: string; message?: string }[] | null
}

export function subject(kind: string, name: string) {
  return kind === 'Host' ? <a href={`/hosts/${name}`}>{name}</a> : `${kind} ${name}`
}

export function Overview({ onLogout }: PageProps) {
  const live = useLive<Body, never>('/', onLogout)
  const now = useNow()
  const b = live.body
  return (
    <Frame title="Overview" live={live}>
      {b && (
        <>
          <section aria-label="Hosts by state" className="tiles">
            <a className="tile" href="/hosts">
              <b>{b.hosts}</b> hosts
            </a>
            {(b.states ?? []).map((s) => (
              <a key={s.name} className="tile" href={`/hosts?state=${encodeURIComponent(s.name)}`}>
                <b>{s.hosts}</b> {s.name}
              </a>
            ))}
            {b.outcomes.blocked ? (
              <a className="tile bad" href="/hosts?kind=blocked">
                <b>{b.outcomes.blocked}</b> blocked
              </a>
            ) : null}
          </section>
          <h2>
            What is wrong <span className="quiet">({b.issueCount})</span>
          </h2>
          {b.issues?.length ? (
            <Table
              label="What is wrong"
              head={['Severity', 'What', 'Since', 'Why', 'What helps']}
              rows={b.issues.map((i) => [<Severity level={i.severity} />, subject(i.kind, i.name), <Since at={i.since} now={now} />, i.cause, i.remedy])}
            />
          ) : (
            <p className="quiet">Nothing: every host does what is asked of it.</p>
          )}
          {b.issueCount > (b.issues?.length ?? 0) && <p className="quiet">The worst {b.issues?.length} are shown.</p>}
          <h2>Capacity</h2>
          {b.capacity?.length ? (
            <Table
              label="Capacity"
              head={['Partition', 'Size', 'Total', 'Allocated', 'Available', 'Free', 'Reserved', 'Faulty', 'Other']}
              rows={b.capacity.map((c) => [c.partition || '–', c.size || 'none', c.total, c.allocated, c.available, c.free, c.reserved, c.faulty?.length ?? 0, c.other?.length ?? 0])}
            />
          ) : (
            <p className="quiet">No hosts yet: `ingot apply -f hosts.yaml` brings the first.</p>
          )}
          <h2>Done last</h2>
          {b.recent?.length ? (
            <Table
              label="Done last"
              head={['When', 'Host', 'Stage', 'Step', 'Result', 'Message']}
              rows={b.recent.map((r) => [<Since at={r.at} now={now} />, <a href={`/hosts/${r.host}`}>{r.host}</a>, r.stage, r.step, r.result || 'since then', r.message])}
            />
          ) : (
            <p className="quiet">Nothing was done yet.</p>
          )}
        </>
      )}
    </Frame>
  )
}
