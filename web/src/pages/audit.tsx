import '../operator.css'
import type { PageProps } from '../app'
import { useLive } from '../live'
import { Fields, Frame, Table } from '../parts'
import { setQuery } from '../router'

export interface AuditRow {
  key: string
  time: string
  user?: string
  impersonatedBy?: string
  verb: string
  object?: string
  outcome?: string
  failed?: boolean
  from?: string
}

interface Body {
  last: number
  more: number
  altered?: number
}

const texts: [string, string, string][] = [
  ['user', 'User', 'alice, or ingot:*'],
  ['kind', 'Kind', 'baremetalhosts'],
  ['namespace', 'Namespace', ''],
  ['name', 'Name', ''],
  ['since', 'Since', '24h or 2026-03-01'],
  ['until', 'Until', ''],
]
const verbs = ['create', 'update', 'patch', 'delete', 'deletecollection', 'get', 'list', 'watch']
const checks: [string, string][] = [
  ['failed', 'refused or failed'],
  ['secretReads', 'reads of Secrets'],
  ['intents', 'intents too'],
  ['all', 'the trail itself too'],
]
const keys = [...texts.map(([k]) => k), 'verb', 'request', 'last', ...checks.map(([k]) => k)]

function when(at: string) {
  const t = new Date(at)
  return (
    <time dateTime={at} title={at}>
      {t.toLocaleDateString('sv')} {t.toLocaleTimeString('sv')}
    </time>
  )
}

function Outcome({ row: r }: { row: AuditRow }) {
  if (!r.outcome) return null
  return <span className={`badge ${r.failed ? 'bad' : r.outcome.startsWith('2') ? 'good' : 'quiet'}`}>{r.failed ? `! ${r.outcome}` : r.outcome}</span>
}

const who = (r: AuditRow) => (r.impersonatedBy ? `${r.user} by ${r.impersonatedBy}` : r.user)

export function Audit({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const asked = new URLSearchParams()
  for (const k of keys) if (q.get(k)) asked.set(k, q.get(k)!)
  const live = useLive<Body, AuditRow>(asked.size ? `/audit?${asked}` : '/audit', onLogout)
  const rows = [...live.rows.values()].sort((a, b) => Number(b.key) - Number(a.key))
  const b = live.body
  return (
    <Frame title="Audit" live={live}>
      <Filters q={q} />
      {b?.altered ? (
        <p role="alert" className="alert">
          {b.altered} lines of the trail are not as they were written: <code>ingot audit verify</code> says which.
        </p>
      ) : null}
      <p className="quiet" role="status">
        {rows.length} {rows.length === 1 ? 'record' : 'records'}, the newest first{b && b.more > 0 ? `; ${b.more.toLocaleString()} older ones fit, too` : ''}
      </p>
      {rows.length > 0 ? (
        <div className="dense trail">
          <Table
            label="Records"
            head={['Record', 'Time', 'Who', 'Did', 'What', 'Result', 'From']}
            rows={rows.map((r) => [<a href={`/audit/${r.key}`}>{r.key}</a>, when(r.time), <span className="who" title={who(r)}>{who(r)}</span>, r.verb, r.object, <Outcome row={r} />, r.from])}
          />
        </div>
      ) : (
        <p className="quiet">No record fits. New ones that do appear here by themselves.</p>
      )}
    </Frame>
  )
}

// Filters are asked for together: each search of the trail reads all of it, and is itself recorded.
function Filters({ q }: { q: URLSearchParams }) {
  return (
    <form
      className="ask"
      role="search"
      aria-label="Search the audit trail"
      key={q.toString()}
      onSubmit={(e) => {
        e.preventDefault()
        const said = new FormData(e.currentTarget)
        setQuery(Object.fromEntries(keys.map((k) => [k, String(said.get(k) ?? '').trim()])))
      }}
    >
      {texts.map(([k, name, hint]) => (
        <label key={k}>
          {name}
          <input name={k} className="middle" defaultValue={q.get(k) ?? ''} placeholder={hint} autoComplete="off" autoCapitalize="none" spellCheck={false} />
        </label>
      ))}
      <label>
        Verb
        <select name="verb" defaultValue={q.get('verb') ?? ''}>
          <option value="">any</option>
          {verbs.map((v) => (
            <option key={v}>{v}</option>
          ))}
        </select>
      </label>
      <label>
        Show
        <select name="last" defaultValue={q.get('last') ?? ''}>
          <option value="">last 100</option>
          <option value="500">last 500</option>
          <option value="2000">last 2000</option>
        </select>
      </label>
      {checks.map(([k, name]) => (
        <label key={k} className="check">
          <input type="checkbox" name={k} value="true" defaultChecked={q.get(k) === 'true'} /> {name}
        </label>
      ))}
      {q.get('request') && <input type="hidden" name="request" value={q.get('request')!} />}
      <button type="submit">Search</button>
      {keys.some((k) => q.get(k)) && (
        <button type="button" className="plain" onClick={() => setQuery(Object.fromEntries(keys.map((k) => [k, ''])))}>
          Clear
        </button>
      )}
    </form>
  )
}

interface One {
  row: AuditRow
  changeText?: string
  record: {
    kind: string
    hash: string
    prev: string
    notice?: { message: string; writer?: string; version?: string; count?: number }
    request?: {
      id: string
      groups?: string[]
      credential?: string
      forwarded?: string[]
      agent?: string
      message?: string
      fields?: string[]
      durationMicros?: number
      annotations?: Record<string, string>
    }
  }
}

export function AuditRecord({ place, onLogout }: PageProps) {
  const live = useLive<One, never>(place.pathname, onLogout)
  const b = live.body
  const r = b?.record.request
  return (
    <Frame title={`Record ${place.pathname.split('/')[2]}`} live={live} still>
      {b && (
        <>
          <section className="card" aria-label="Record">
            <p className="lead">
              <Outcome row={b.row} /> <b>{b.row.verb}</b> {b.row.object}
            </p>
            <Fields
              of={[
                ['Time', when(b.row.time)],
                ['Who', who(b.row)],
                ['Groups', r?.groups?.join(', ')],
                ['Shown', r?.credential],
                ['From', b.row.from],
                ['Forwarded', r?.forwarded?.join(', ')],
                ['Program', r?.agent],
                ['Said', r?.message],
                ['Fields', r?.fields?.join(', ')],
                ['Took', r?.durationMicros && `${(r.durationMicros / 1000).toFixed(1)} ms`],
                ['Request', r && <a href={`/audit?request=${encodeURIComponent(r.id)}`}>{r.id}</a>],
                ['Notes', r?.annotations && <span className="lines">{Object.entries(r.annotations).map(([k, v]) => <span key={k}>{`${k}: ${v}`}</span>)}</span>],
                ['Version', b.record.notice?.version],
                ['Hash', <code>{b.record.hash}</code>],
                ['Before', <code>{b.record.prev}</code>],
              ]}
            />
          </section>
          {b.changeText && (
            <>
              <h2>Change</h2>
              <pre className="card code" role="region" aria-label="Change" tabIndex={0}>
                {b.changeText}
              </pre>
            </>
          )}
        </>
      )}
    </Frame>
  )
}
