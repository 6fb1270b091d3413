import '../operator.css'
import type { PageProps } from '../app'
import { useLive } from '../live'
import { Fields, Frame, Table } from '../parts'
import { setQuery } from '../router'
import { Since, span, useNow } from '../words'

interface Body {
  me: { name: string; groups?: string[]; until: string }
  programs: { what: string; version: string; detail?: string }[]
  leaders: { role: string; host: string; since?: string }[]
  leadersHidden?: boolean
  listeners: { what: string; address: string; for: string }[]
  certificates: { what: string; subject: string; issuer: string; names?: string[]; ends: string }[]
  sitesHidden?: boolean
  login: { issuers: string[]; links: boolean }
  namespace: string
  rights: { verbs: string[]; group?: string; things: string[]; names?: string[] }[]
  partial?: boolean
}

// Roles renew theirs long before: the shortest live for a day, and one with so little left was not renewed.
const late = 2 * 3_600_000

// Ends says when a certificate ends, and how near that is.
function Ends({ at, now }: { at: string; now: number }) {
  const left = Date.parse(at) - now
  const [icon, tone] = left < 0 ? ['!', 'bad'] : left < late ? ['…', 'warn'] : ['✓', 'good']
  return (
    <span className={`badge ${tone}`} title={new Date(at).toLocaleString()}>
      <span aria-hidden="true">{icon}</span> {left < 0 ? `ended ${span(-left)} ago` : `in ${span(left)}`}
    </span>
  )
}

export function Settings({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const namespace = q.get('namespace')
  const live = useLive<Body, never>(namespace ? `/settings?namespace=${encodeURIComponent(namespace)}` : '/settings', onLogout)
  const now = useNow(5000)
  const b = live.body
  return (
    <Frame title="Settings" live={live}>
      {b && (
        <>
          <div className="pairs">
            <section>
              <h2>Your session</h2>
              <Fields
                of={[
                  ['You are', b.me.name],
                  ['Groups', b.me.groups?.join(', ')],
                  ['Ends', <Since at={b.me.until} now={now} />],
                ]}
              />
            </section>
            <section>
              <h2>Login</h2>
              <Fields
                of={[
                  ['Issuers', b.login.issuers.length ? <span className="lines">{b.login.issuers.map((i) => <span key={i}>{i}</span>)}</span> : 'none: ingot up --oidc-issuer adds one'],
                  ['Tokens', 'of the API server'],
                  ['Links', b.login.links ? 'good once, as ingot up prints them' : 'off'],
                ]}
              />
            </section>
          </div>
          <h2>Programs</h2>
          <div className="dense">
            <Table label="Programs" head={['Program', 'Version', 'Built with']} rows={b.programs.map((p) => [p.what, p.version, p.detail])} />
          </div>
          <h2>Roles that lead</h2>
          {b.leadersHidden ? (
            <p className="quiet">Not yours to see: that takes the right to list leases in ingot-system.</p>
          ) : (
            <div className="dense">
              <Table label="Roles that lead" head={['Role', 'On', 'Since']} rows={b.leaders.map((l) => [l.role, l.host, l.since && <Since at={l.since} now={now} />])} />
            </div>
          )}
          <h2>Listeners</h2>
          <div className="dense">
            <Table label="Listeners" head={['What', 'Address', 'For']} rows={b.listeners.map((l) => [l.what, <code>{l.address}</code>, l.for])} />
          </div>
          <h2>Certificates</h2>
          <div className="dense">
            <Table
              label="Certificates"
              head={['Of', 'Ends', 'Subject', 'Issued by', 'Names']}
              rows={b.certificates.map((c) => [c.what, <Ends at={c.ends} now={now} />, c.subject, c.issuer, c.names?.join(', ')])}
            />
          </div>
          {b.sitesHidden && <p className="quiet">Those of the partitions are not yours to see.</p>}
          <Rights b={b} q={q} />
        </>
      )}
    </Frame>
  )
}

function Rights({ b, q }: { b: Body; q: URLSearchParams }) {
  const words = (q.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const shown = b.rights.filter((r) => {
    const text = [...r.verbs, r.group, ...r.things, ...(r.names ?? [])].join(' ').toLowerCase()
    return words.every((w) => text.includes(w))
  })
  return (
    <>
      <h2>Your rights</h2>
      <form className="ask" role="search" onSubmit={(e) => e.preventDefault()}>
        <label>
          Search
          <input type="search" value={q.get('q') ?? ''} onChange={(e) => setQuery({ q: e.target.value })} placeholder="kind or verb" />
        </label>
      </form>
      <p className="quiet" role="status">
        {shown.length} of {b.rights.length} rights in the namespace {b.namespace}
        {b.partial && '; the API server could not tell all'}
      </p>
      {shown.length > 0 && (
        <div className="dense">
          <Table
            label="Rights"
            head={['You may', 'Group', 'What', 'Only']}
            rows={shown.map((r) => [r.verbs.includes('*') ? 'everything' : r.verbs.join(', '), r.group, r.things.join(', '), r.names?.join(', ')])}
          />
        </div>
      )}
    </>
  )
}
