import { useEffect, useState } from 'react'
import type { Me } from '../app'
import { post } from '../live'

// byIssuer sends the browser to an issuer, which sends it back to /login/callback.
async function byIssuer(issuer: string): Promise<string | undefined> {
  const a = await post('/session/issuer', { issuer, then: location.pathname + location.search })
  if (!a.ok) return (a.said as { error: string }).error
  location.assign((a.said as { url: string }).url)
  return undefined
}

// callback takes an issuer's answer out of the address, and trades it for a session.
export async function callback(): Promise<{ me?: Me; then: string; said?: string }> {
  const q = new URLSearchParams(location.search)
  history.replaceState(null, '', '/')
  try {
    const r = await fetch('/session/code', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ state: q.get('state') ?? '', code: q.get('code') ?? '', error: q.get('error') ?? '', description: q.get('error_description') ?? '' }),
    })
    const said = (await r.json()) as Me & { error?: string }
    return r.ok ? { me: said, then: r.headers.get('Ingot-Then') || '/' } : { then: '/', said: said.error }
  } catch {
    return { then: '/', said: 'The server cannot be reached: log in again.' }
  }
}

export function Login({ said, enter }: { said?: string; enter: (me: Me) => void }) {
  const [problem, tell] = useState(said)
  const [busy, work] = useState(false)
  const [issuers, know] = useState<string[]>([])
  useEffect(() => {
    void fetch('/session/issuers')
      .then(async (r) => {
        const a = (await r.json()) as string[] | { error: string }
        if (Array.isArray(a)) know(a)
        else tell(a.error)
      })
      .catch(() => tell('The server cannot be reached.'))
  }, [])
  const submit = async (e: React.FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const field = e.currentTarget.elements.namedItem('token') as HTMLInputElement
    work(true)
    const a = await post('/session/token', { token: field.value.trim() })
    work(false)
    if (a.ok) enter(a.said as Me)
    else tell((a.said as { error: string }).error)
  }
  const leave = async (issuer: string) => {
    work(true)
    const wrong = await byIssuer(issuer)
    if (wrong) {
      work(false)
      tell(wrong)
    }
  }
  return (
    <section className="card narrow">
      <h1>Log in</h1>
      {problem && (
        <p role="alert" className="alert">
          {problem}
        </p>
      )}
      {issuers.map((i) => (
        <p key={i}>
          <button type="button" disabled={busy} title={i} onClick={() => void leave(i)}>
            Log in at {new URL(i).host}
          </button>
        </p>
      ))}
      <form onSubmit={(e) => void submit(e)}>
        <label htmlFor="token">Token of the API server</label>
        <input id="token" name="token" type="password" autoComplete="off" spellCheck={false} required />
        <button type="submit" disabled={busy}>
          {busy ? 'Asking…' : 'Log in'}
        </button>
      </form>
      <p className="quiet">
        <code>ingot token create</code> makes a token for a project, <code>kubectl create token</code> one for a service account. Whoever started this site with{' '}
        <code>ingot up</code> has a link in that terminal, which is good once. The page shows what your rights allow. More is in <a href="/docs/">the documentation</a>.
      </p>
    </section>
  )
}
