import { type ReactNode, useState } from 'react'
import type { Live } from './live'
import { setQuery } from './router'

// Frame is what every page has: its title, whether what is shown is live (still: it cannot change while the program runs), and what went wrong. projects: who may not see all of the site
// can look at one project of it.
export function Frame({ title, live, children, tools, still, projects }: { title: ReactNode; live: Live<unknown, unknown>; children: ReactNode; tools?: ReactNode; still?: boolean; projects?: boolean }) {
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
      {live.failure?.code === 403 && projects && <Project />}
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

// Project asks which project to look at, for people whose rights end there.
function Project() {
  const [name, set] = useState('')
  return (
    <form
      className="card project"
      onSubmit={(e) => {
        e.preventDefault()
        if (name.trim()) setQuery({ namespace: name.trim() })
      }}
    >
      <p>All of the site is not yours to see. A project that you have rights in is: name its namespace.</p>
      <label>
        Namespace <input value={name} onChange={(e) => set(e.target.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} />
      </label>{' '}
      <button type="submit">Show it</button>
    </form>
  )
}
