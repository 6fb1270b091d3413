// A terminal on a WebSocket. A serial line has no size: the terminal has the one that firmware and boot loaders take for granted.
import '@xterm/xterm/css/xterm.css'
import { Terminal } from '@xterm/xterm'
import { useEffect, useRef, useState } from 'react'
import type { ConsoleProps } from './console'
import { sheeted } from './sheeted'

const [columns, rows] = [80, 24]

// Message is what is said beside the console's bytes (package wire).
interface Message {
  type: string
  text?: string
  reason?: string
  writer?: boolean
  recording?: string
}

interface State {
  phase: 'connecting' | 'open' | 'over'
  // writer: the keyboard is heard.
  writer: boolean
  said: string
}

// dark is the terminal's whatever the page's is: what machines show is made for it.
const theme = { background: '#14181d', foreground: '#e6e9ee', cursor: '#e6e9ee' }

export default function Screen({ kind, of, may, close }: ConsoleProps & { close: () => void }) {
  const box = useRef<HTMLDivElement>(null)
  const out = useRef<HTMLButtonElement>(null)
  const terminal = useRef<Terminal>(null)
  const line = useRef<WebSocket>(null)
  const [again, retry] = useState(0)
  const [spoken, speak] = useState(false)
  const [state, set] = useState<State>({ phase: 'connecting', writer: false, said: '' })

  useEffect(() => {
    const t = new Terminal({ cols: columns, rows, theme, scrollback: 5000, fontFamily: 'ui-monospace, monospace', fontSize: 14, documentOverride: sheeted(document) })
    t.open(box.current!)
    // Each key is the machine's but this one, which is the way out for who has no mouse.
    t.attachCustomKeyEventHandler((e) => {
      if (e.key !== 'F6' || !e.ctrlKey) return true
      if (e.type === 'keydown') out.current?.focus()
      e.preventDefault()
      return false
    })
    t.focus()
    terminal.current = t
    return () => {
      t.dispose()
      terminal.current = null
    }
  }, [])

  useEffect(() => {
    const t = terminal.current!
    const ws = new WebSocket(`wss://${location.host}/consoles/${kind}/${of}?mode=${may}`)
    ws.binaryType = 'arraybuffer'
    line.current = ws
    let ended = false
    set({ phase: 'connecting', writer: false, said: '' })
    ws.onmessage = (e: MessageEvent<ArrayBuffer | string>) => {
      if (typeof e.data !== 'string') return t.write(new Uint8Array(e.data))
      const m = JSON.parse(e.data) as Message
      if (m.type === 'begin') set((s) => ({ ...s, phase: 'open', said: m.recording ? `Recorded as ${m.recording}.` : '' }))
      if (m.type === 'writer') set((s) => ({ ...s, writer: m.writer ?? false, said: m.text ?? '' }))
      if (m.type === 'notice') set((s) => ({ ...s, said: m.text ?? '' }))
      if (m.type === 'end') {
        ended = true
        set({ phase: 'over', writer: false, said: m.text ?? m.reason ?? '' })
      }
    }
    ws.onclose = () => {
      if (!ended) set({ phase: 'over', writer: false, said: 'The connection was lost.' })
    }
    const send = (bytes: Uint8Array<ArrayBuffer>) => {
      if (ws.readyState === WebSocket.OPEN) ws.send(bytes)
    }
    const typed = t.onData((text) => send(new TextEncoder().encode(text)))
    const raw = t.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))))
    return () => {
      ended = true
      typed.dispose()
      raw.dispose()
      ws.close()
    }
  }, [kind, of, may, again])

  useEffect(() => {
    if (terminal.current) terminal.current.options.screenReaderMode = spoken
  }, [spoken])

  const over = state.phase === 'over'
  const words = { connecting: 'Connecting…', open: state.writer ? 'Open: you type.' : may === 'look' ? 'Open: you look on.' : 'Open: somebody else types.', over: 'Over.' }
  return (
    <>
      <div className="bulk" role="group" aria-label="Console's actions">
        <span role="status">
          <span className={`badge ${over ? 'bad' : state.phase === 'open' ? 'good' : 'wait'}`}>{words[state.phase]}</span> {state.said}
        </span>
        {over && (
          <button type="button" onClick={() => retry(again + 1)}>
            Open again
          </button>
        )}
        {state.phase === 'open' && may === 'type' && !state.writer && (
          <button type="button" onClick={() => line.current?.send(JSON.stringify({ type: 'take-over' }))}>
            Type in their place
          </button>
        )}
        <label>
          <input type="checkbox" checked={spoken} onChange={(e) => speak(e.target.checked)} /> For a screen reader
        </label>
        <button type="button" ref={out} onClick={close}>
          Close the console
        </button>
      </div>
      <p className="quiet">
        All keys go to the machine but <kbd>Ctrl</kbd>+<kbd>F6</kbd>, which leaves the terminal.
      </p>
      <div className="screen" ref={box} />
    </>
  )
}
