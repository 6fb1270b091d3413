import type { ReactNode } from 'react'
import type { Live } from './live'

// Frame is what every page has: its title, whether what is shown is live (still: it cannot change while the program runs), and what went wrong.
export function Frame({ title, live, children, tools, still }: { title: ReactNode; live: Live<unknown, unknown>; children: ReactNode; tools?: ReactNode; still?: boolean }) {
  const json = location.pathname === '/' ? '/index.json' : `${location.pathname.replace(/\/$/, '')}.json`
  return (
    <>
      <div className="title">
        <h1>{title}</h1>
        {!still && (
          <span className={`badge ${live.connected ? 'good' : 'warn'}`} role="status">
            {live.connected ? '● live' : '○ not connected'}
          </span>
        )}
        {tools}
        <a className="quiet json" href={json + location.search}>
          JSON
        </a>
      </div>
      {live.failure && (
        <p role="alert" className="alert">
          {live.failure.error}
        </p>
      )}
      {live.version === 0 && !live.failure ? <p className="quiet">Loading…</p> : live.version === 0 ? null : children}
    </>
  )
}

export function Fields({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="fields">
      {of
        .filter(([, v]) => v !== undefined && v !== null && v !== '' && v !== false)
        .map(([k, v]) => (
          <div key={k}>
            <dt>{k}</dt>
            <dd>{v}</dd>
          </div>
        ))}
    </dl>
  )
}

export function Table({ label, head, rows }: { label: string; head: string[]; rows: ReactNode[][] }) {
  return (
    <div className="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((h) => (
              <th key={h} scope="col">
                {h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r, i) => (
            <tr key={i}>
              {r.map((c, j) => (
                <td key={j}>{c}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
