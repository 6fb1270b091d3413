import type { PageProps } from '../app'
import { Console } from '../console'
import { useLive } from '../live'
import { Fields, Frame, Table } from '../parts'
import { type Entry, expected, type Pace, Timeline } from '../timeline'
import { Bar, bytes, Kind, Since, span, useNow } from '../words'
import { Bulk, type HostRow } from './hosts'

interface Explanation {
  stage: string
  status?: string
  kind?: string
  reason?: string
  message?: string
  since?: string
  deadline?: string
  nextAttempt?: string
  unblock: string
  step?: string
  boot?: string
  disk?: string
  handOver?: string
  tpm?: string
  error?: string
  health?: string
  burnIn?: string
  disks?: string[]
  raid?: string[]
  erasure?: string
  wipes?: string[]
}

interface Wipe {
  deviceName: string
  serialNumber?: string
  sizeBytes?: number
  method: string
  startedAt: string
  finishedAt: string
  result: string
  verification?: string
  message?: string
}

interface Body {
  row: HostRow
  explain: Explanation
  plan: { stage: string; action?: string; what: string; fix?: string }[] | null
  mayChange: boolean
  paces?: Pace[]
  console?: 'type' | 'look'
  events?: { at: string; kind: string; reason: string; message: string; count: number }[]
  components?: { component: string; initialVersion: string; currentVersion?: string; lastVersionFlashed?: string }[]
  lifecycle: {
    timeline?: Entry[]
    wipes?: Wipe[]
    earlierWipes?: Wipe[]
    step?: { kind: string; attempt?: number; startedAt: string; progress?: { phase?: string; doneBytes?: number; totalBytes?: number; bytesPerSecond?: number; secondsLeft?: number } }
    bmc?: { driver?: string; vendor?: string; model?: string; firmwareVersion?: string; protocolVersion?: string; capabilities?: string[] }
  }
  host: {
    spec: { online: boolean; bmc?: { address?: string }; bootMACAddress?: string; image?: { url: string } }
    status: {
      poweredOn?: boolean
      hardware?: {
        systemVendor?: { manufacturer?: string; productName?: string; serialNumber?: string }
        firmware?: { bios?: { vendor?: string; version?: string; date?: string } }
        cpu?: { model?: string; count?: number; arch?: string }
        ramMebibytes?: number
        hostname?: string
        nics?: { name?: string; mac?: string; ip?: string; speedGbps?: number; lldp?: { switchID?: string; portID?: string } }[]
        storage?: { name?: string; type?: string; sizeBytes?: number; serialNumber?: string; model?: string }[]
      }
      provisioning?: { image?: { url?: string } }
    }
  }
}

export function Host({ place, onLogout }: PageProps) {
  const live = useLive<Body, never>(place.pathname, onLogout)
  const now = useNow()
  const b = live.body
  const name = decodeURIComponent(place.pathname.split('/')[3] ?? '')
  return (
    <Frame title={name} live={live}>
      {b && (
        <>
          {b.mayChange && <Bulk picked={new Set([`${b.row.namespace}/${b.row.name}`])} fixed />}
          <Now b={b} now={now} />
          <div className="columns">
            <section>
              <h2>Timeline</h2>
              <Timeline of={b.lifecycle.timeline ?? []} paces={b.paces ?? []} now={now} />
              <h2>What comes next</h2>
              {b.plan?.length ? (
                <ol className="plan">
                  {b.plan.map((p, i) => (
                    <li key={i}>
                      <span className="quiet">{p.stage}</span> {p.what} {p.fix && <em>{p.fix}</em>}
                    </li>
                  ))}
                </ol>
              ) : (
                <p className="quiet">Nothing: the host is as wished.</p>
              )}
            </section>
            <section>
              <Hardware b={b} />
            </section>
          </div>
          {b.console && <Console kind="host" of={`${b.row.namespace}/${b.row.name}`} may={b.console} />}
          <h2>Events</h2>
          <Events of={b.events ?? []} now={now} />
          <h2>Wipes</h2>
          <Wipes of={[...(b.lifecycle.wipes ?? []), ...(b.lifecycle.earlierWipes ?? []).toReversed()]} />
        </>
      )}
    </Frame>
  )
}

function Now({ b, now }: { b: Body; now: number }) {
  const e = b.explain
  const p = b.lifecycle.step?.progress
  return (
    <section className="card" aria-label="Now">
      <p className="lead">
        <Kind kind={e.kind} error={b.row.error} /> <b>{e.stage || 'new'}</b> {e.reason && `· ${e.reason}`}
      </p>
      {p && p.totalBytes ? (
        <p>
          <Bar percent={((p.doneBytes ?? 0) * 100) / p.totalBytes} label="Progress of the step" /> {p.phase} {bytes(p.doneBytes ?? 0)} of {bytes(p.totalBytes)}
          {p.bytesPerSecond ? `, ${bytes(p.bytesPerSecond)}/s` : ''}
          {p.secondsLeft ? `, ${span(p.secondsLeft * 1000)} left` : ''}
        </p>
      ) : null}
      <Fields
        of={[
          ['What', e.message],
          ['Since', e.since && <Since at={e.since} now={now} />],
          ['Usually', expected(b.lifecycle.timeline ?? [], b.paces ?? [], now)],
          ['Given up', e.deadline && <Since at={e.deadline} now={now} />],
          ['Next look', e.nextAttempt && <Since at={e.nextAttempt} now={now} />],
          ['What helps', e.unblock],
          ['Step', e.step],
          ['Boot', e.boot],
          ['Error', e.error],
          ['Power', `${b.row.power} (wanted: ${b.host.spec.online ? 'on' : 'off'})`],
          ['Image', b.host.status.provisioning?.image?.url || (b.host.spec.image?.url && `${b.host.spec.image.url} (wanted)`)],
          ['Used by', b.row.consumer],
          ['Disk', e.disk],
          ['Hand-over', e.handOver],
          ['TPM', e.tpm],
          ['Health', e.health],
          ['Burn-in', e.burnIn],
          ['Erasure', e.erasure],
        ]}
      />
    </section>
  )
}

function Hardware({ b }: { b: Body }) {
  const h = b.host.status.hardware
  const bmc = b.lifecycle.bmc
  return (
    <>
      <h2>Hardware</h2>
      {h ? (
        <>
          <Fields
            of={[
              ['System', [h.systemVendor?.manufacturer, h.systemVendor?.productName, h.systemVendor?.serialNumber].filter(Boolean).join(' ')],
              ['Firmware', [h.firmware?.bios?.vendor, h.firmware?.bios?.version, h.firmware?.bios?.date].filter(Boolean).join(' ')],
              ['CPU', h.cpu && `${h.cpu.count} × ${h.cpu.model || h.cpu.arch}`],
              ['Memory', h.ramMebibytes && bytes(h.ramMebibytes * 1048576)],
            ]}
          />
          <h3>Network</h3>
          <Table
            label="Network cards"
            head={['Name', 'MAC', 'Address', 'Switch']}
            rows={(h.nics ?? []).map((n) => [n.name, <code>{n.mac}</code>, n.ip, n.lldp ? `${n.lldp.switchID} port ${n.lldp.portID}` : ''])}
          />
          <h3>Disks</h3>
          <Table label="Disks" head={['Name', 'Type', 'Size', 'Serial', 'Model']} rows={(h.storage ?? []).map((d) => [d.name, d.type, d.sizeBytes ? bytes(d.sizeBytes) : '', d.serialNumber, d.model])} />
        </>
      ) : (
        <p className="quiet">Not inspected yet.</p>
      )}
      {b.components?.length ? (
        <>
          <h3>Firmware</h3>
          <Table
            label="Firmware components"
            head={['Part', 'At first', 'Now', 'Written last']}
            rows={b.components.map((c) => [c.component, c.initialVersion, c.currentVersion, c.lastVersionFlashed])}
          />
        </>
      ) : null}
      <h2>BMC</h2>
      <Fields
        of={[
          ['Address', <code>{b.host.spec.bmc?.address}</code>],
          ['Kind', bmc && [bmc.vendor, bmc.model].filter(Boolean).join(' ')],
          ['Firmware', bmc?.firmwareVersion],
          ['Protocol', bmc && [bmc.driver, bmc.protocolVersion].filter(Boolean).join(' ')],
          ['Can', bmc?.capabilities?.join(', ')],
        ]}
      />
    </>
  )
}

function Events({ of, now }: { of: NonNullable<Body['events']>; now: number }) {
  if (!of.length) return <p className="quiet">None: the API server keeps events for an hour or so.</p>
  return <Table label="Events" head={['Last', 'Kind', 'Reason', 'Message', 'Times']} rows={of.map((e) => [<Since at={e.at} now={now} />, e.kind, e.reason, e.message, e.count])} />
}

function Wipes({ of }: { of: Wipe[] }) {
  if (!of.length) return <p className="quiet">No disk was wiped yet.</p>
  return (
    <Table
      label="Wipes"
      head={['Disk', 'Serial', 'Size', 'Method', 'Result', 'Took', 'Finished', 'Verified']}
      rows={of.map((w) => [
        w.deviceName,
        w.serialNumber,
        w.sizeBytes ? bytes(w.sizeBytes) : '',
        w.method,
        w.result,
        span(Date.parse(w.finishedAt) - Date.parse(w.startedAt)),
        new Date(w.finishedAt).toLocaleString(),
        w.verification || w.message,
      ])}
    />
  )
}
