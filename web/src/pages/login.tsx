import { useState } from 'react'
import type { Me } from '../app'
import { post } from '../live'

export function Login({ said, enter }: { said?: string; enter: (me: Me) => void }) {
  const [problem, tell] = useState(said)
  const [busy, work] = useState(false)
  const submit = async (e: React.FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const field = e.currentTarget.elements.namedItem('token') as HTMLInputElement
    work(true)
    const a = await post('/session/token', { token: field.value.trim() })
    work(false)
    if (a.ok) enter(a.said as Me)
    else tell((a.said as { error: string }).error)
  }
  return (
    <section className="card narrow">
      <h1>Log in</h1>
      {problem && (
        <p role="alert" className="alert">
          {problem}
        </p>
      )}
      <form onSubmit={(e) => void submit(e)}>
        <label htmlFor="token">Token of the API server</label>
        <input id="token" name="token" type="password" autoComplete="off" spellCheck={false} required />
        <button type="submit" disabled={busy}>
          {busy ? 'Asking…' : 'Log in'}
        </button>
      </form>
      <p className="quiet">
        <code>ingot token create</code> makes a token for a project, <code>kubectl create token</code> one for a service account. Whoever started this site with{' '}
        <code>ingot up</code> has a link in that terminal, which is good once. The page shows what your rights allow.
      </p>
    </section>
  )
}
