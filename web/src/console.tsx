// The serial console of a host or a machine. Its terminal is large, and loaded where somebody opens it.
import { lazy, Suspense, useState } from 'react'

const Screen = lazy(() => import('./screen'))

export interface ConsoleProps {
  kind: 'host' | 'machine'
  // of is "namespace/name".
  of: string
  may: 'type' | 'look'
}

export function Console(p: ConsoleProps) {
  const [open, set] = useState(false)
  return (
    <section className="console" aria-label="Console">
      <h2>Console</h2>
      {open ? (
        <Suspense fallback={<p className="quiet">Loading the terminal…</p>}>
          <Screen {...p} close={() => set(false)} />
        </Suspense>
      ) : (
        <p>
          <button type="button" onClick={() => set(true)}>
            Open the serial console
          </button>{' '}
          <span className="quiet">{p.may === 'look' ? 'You may look, and not type.' : ''} What the machine shows is recorded.</span>
        </p>
      )}
    </section>
  )
}
