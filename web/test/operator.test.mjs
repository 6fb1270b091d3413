// The operator's pages: firewalls, the audit trail, settings.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { base, clean, launch, login, need, shot, tabTo, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 800 } }
const dark = { ...wide, colorScheme: 'dark' }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

// opened is a page for somebody with a token; nobody named: who may change what hosts do.
async function opened(options = wide, token = '') {
  const w = await watched(browser, options)
  if (!token) await login(w.page)
  else {
    await w.page.goto('/')
    await w.page.getByLabel('Token of the API server').fill(need(token))
    await w.page.getByRole('button', { name: 'Log in' }).click()
    await w.page.getByRole('button', { name: 'Log out' }).waitFor()
  }
  return w
}

async function fits(page) {
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen')
}

describe('firewalls', () => {
  test('one is found, and says its networks, rules, names, and who was refused', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/firewalls')
    await page.getByText('1 of 1 firewalls').waitFor()
    await page.getByRole('row', { name: /shop\/edge.*generation 1.*447 packets, 3 flows.*online/ }).waitFor()
    await shot(page, 'firewalls-light')
    await clean(w, 'firewalls')
    await page.getByLabel('Search').fill('nothing-like-it')
    await page.getByText('0 of 1 firewalls').waitFor()
    await page.getByLabel('Search').fill('inside')
    await page.getByText('1 of 1 firewalls').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('q'), 'inside')
    const link = page.getByRole('link', { name: 'shop/edge' })
    await tabTo(page, link)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'edge', exact: true }).waitFor()
    await page.getByRole('region', { name: 'Networks' }).getByText('VLAN 7 of eth1').waitFor()
    const rules = page.getByRole('region', { name: 'Rules' })
    await rules.getByRole('row', { name: /egress\/git.*enforced.*TCP 22, 443.*git\.example\.org/ }).waitFor()
    await page.getByRole('region', { name: 'Names' }).getByText('198.51.100.22').waitFor()
    await page.getByRole('list', { name: 'By what' }).getByText('no ingress rule allows it').waitFor()
    await page.getByRole('list', { name: 'By source' }).getByText('203.0.113.9').waitFor()
    await page.getByRole('region', { name: 'Drops' }).getByRole('row', { name: /10\.0\.4\.7.*TCP\/25.*31/ }).waitFor()
    await page.getByLabel('State', { exact: true }).getByText('100.64.0.7 as firewall').waitFor()
    await shot(page, 'firewall-light')
    await clean(w, 'firewall')
    await w.context.close()
  })

  test('what becomes of a packet is asked by keys, and the question stands in the address', async () => {
    const w = await opened(dark)
    const { page } = w
    await page.goto('/firewalls/shop/edge')
    const from = page.getByLabel('From', { exact: true })
    await from.waitFor()
    await tabTo(page, from)
    await page.keyboard.type('10.0.4.7')
    await page.keyboard.press('Tab')
    await page.keyboard.type('git.example.org')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.type('443')
    await page.keyboard.press('Enter')
    await page.getByText('✓ passes').waitFor()
    await page.getByText('by egress/git').waitFor()
    assert.equal(new URL(page.url()).search, '?from=10.0.4.7&to=git.example.org&protocol=TCP&port=443')
    await page.reload()
    await page.getByText('✓ passes').waitFor()
    await page.getByLabel('Port').fill('25')
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByText('! is dropped').waitFor()
    await shot(page, 'firewall-dark')
    await clean(w, 'a packet that is dropped')
    await w.context.close()
  })

  test('fits a phone, and a stranger is told why there is nothing', async () => {
    const w = await opened(phone)
    await w.page.goto('/firewalls/shop/edge')
    await w.page.getByRole('list', { name: 'By source' }).waitFor()
    await fits(w.page)
    await shot(w.page, 'firewall-phone')
    await clean(w, 'firewall on a phone')
    await w.page.goto('/firewalls')
    await w.page.getByText('1 of 1 firewalls').waitFor()
    await fits(w.page)
    await clean(w, 'firewalls on a phone')
    await w.context.close()
    const stranger = await opened(wide, 'INGOT_WEB_STRANGER_TOKEN')
    await stranger.page.goto('/firewalls')
    await stranger.page.getByRole('alert').getByText('your rights do not reach').waitFor()
    await clean(stranger, 'firewalls without rights')
    await stranger.context.close()
  })
})

describe('audit', () => {
  test('who did what is searched by keys, stands in the address, and goes on by itself', async () => {
    const w = await opened(wide, 'INGOT_WEB_AUDITOR_TOKEN')
    const { page } = w
    await page.goto('/audit')
    const records = page.getByRole('region', { name: 'Records' })
    await records.getByRole('row', { name: /web-auditor get \/audit\/records/ }).first().waitFor()
    await shot(page, 'audit-light')
    await clean(w, 'audit')
    const kind = page.getByLabel('Kind')
    await tabTo(page, kind)
    await page.keyboard.type('firewalls')
    await page.keyboard.press('Tab')
    await page.keyboard.type('shop')
    await page.keyboard.press('Enter')
    await records.getByRole('row', { name: /create firewalls\.ingot\.dev shop\/edge 201/ }).waitFor()
    assert.equal(new URL(page.url()).search, '?kind=firewalls&namespace=shop')
    await page.reload()
    await records.getByRole('row', { name: /create firewalls\.ingot\.dev shop\/edge 201/ }).waitFor()
    const link = records.getByRole('row', { name: /create firewalls/ }).getByRole('link')
    await tabTo(page, link)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: /^Record \d+$/ }).waitFor()
    await page.getByRole('region', { name: 'Change' }).getByText('"toFQDNs"').waitFor()
    await shot(page, 'audit-record')
    await clean(w, 'a record')
    // What is refused to somebody else appears without a load: the trail is followed.
    await page.goto('/audit?failed=true&kind=baremetalhosts&verb=patch&name=node-4')
    await page.getByRole('status').getByText('records, the newest first').waitFor()
    const before = await records.getByRole('row').count()
    const viewer = await opened(wide, 'INGOT_WEB_VIEWER_TOKEN')
    await viewer.page.evaluate(async () => {
      await fetch('/hosts', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ action: 'off', hosts: ['default/node-4'] }) })
    })
    await viewer.context.close()
    await page.waitForFunction((n) => document.querySelectorAll('[aria-label=Records] tr').length > n, before)
    await records.getByRole('row', { name: /web-viewer patch baremetalhosts.*node-4 ! 403/ }).first().waitFor()
    await w.context.close()
  })

  test('fits a phone, in the dark; a filter that is none is said to be wrong', async () => {
    const w = await opened(phone, 'INGOT_WEB_AUDITOR_TOKEN')
    await w.page.goto('/audit?last=500')
    await w.page.getByRole('region', { name: 'Records' }).waitFor()
    await fits(w.page)
    await shot(w.page, 'audit-phone')
    await clean(w, 'audit on a phone')
    await w.page.goto('/audit?since=yesterday')
    await w.page.getByRole('alert').getByText('write a time like').waitFor()
    await w.context.close()
  })

  test('who may not read it is told which right is missing', async () => {
    const w = await opened()
    await w.page.goto('/audit')
    await w.page.getByRole('alert').getByText('the audit trail is for those who may get /audit/*').waitFor()
    assert.equal(await w.page.getByRole('region', { name: 'Records' }).count(), 0)
    await clean(w, 'audit without the right')
    await w.context.close()
  })
})

describe('settings', () => {
  test('say what runs and when certificates end; my rights are found by keys', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/settings')
    await page.getByRole('region', { name: 'Programs' }).getByRole('row', { name: /^API server v1\./ }).waitFor()
    await page.getByRole('region', { name: 'Certificates' }).getByRole('row', { name: /^web page in / }).waitFor()
    await page.getByRole('region', { name: 'Certificates' }).getByRole('row', { name: /^API server in / }).waitFor()
    await page.getByRole('region', { name: 'Listeners' }).getByText(base).waitFor()
    await page.getByText('system:serviceaccount:default:web-editor').nth(1).waitFor()
    await shot(page, 'settings-light')
    await clean(w, 'settings')
    const search = page.getByLabel('Search')
    await tabTo(page, search)
    await page.keyboard.type('firewalls')
    await page.getByRole('region', { name: 'Rights' }).getByRole('row', { name: /ingot\.dev.*firewalls/ }).first().waitFor()
    assert.equal(new URL(page.url()).search, '?q=firewalls')
    await w.context.close()
  })

  test('fit a phone, in the dark; a stranger sees who they are and no more', async () => {
    const w = await opened(phone)
    await w.page.goto('/settings')
    await w.page.getByRole('region', { name: 'Certificates' }).waitFor()
    await fits(w.page)
    await shot(w.page, 'settings-phone')
    await clean(w, 'settings on a phone')
    await w.context.close()
    const stranger = await opened(wide, 'INGOT_WEB_STRANGER_TOKEN')
    await stranger.page.goto('/settings')
    await stranger.page.getByText('takes the right to list leases').waitFor()
    await clean(stranger, 'settings of a stranger')
    await stranger.context.close()
  })
})

describe('every page of the operator', () => {
  for (const path of ['/firewalls', '/firewalls/shop/edge', '/audit', '/settings']) {
    test(`${path} has a twin in JSON`, async () => {
      const w = await opened(wide, 'INGOT_WEB_AUDITOR_TOKEN')
      const said = await w.page.evaluate(async (path) => {
        const r = await fetch(`${path}.json`, { headers: { Accept: 'text/html' } })
        return [r.status, Object.keys(await r.json()).includes('body')]
      }, path)
      assert.deepEqual(said, [200, true])
      await w.context.close()
    })
  }
})
