// The replacement of a firewall's machine, by the real controller: no host is there for the new one, so that it stays in its first phase until it is cancelled.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { api } from './api.mjs'
import { clean, fits, launch, login, need, patience, shot, tabTo, watched } from './browser.mjs'

let browser

const firewalls = '/apis/ingot.dev/v1alpha1/namespaces/shop/firewalls'
const machine = { size: 'small', partition: 'nowhere', image: 'firewall-1' }

// made waits until the controller has made an object.
async function made(path) {
  for (const end = Date.now() + patience; ; ) {
    try {
      return await api('GET', path)
    } catch (e) {
      if (!String(e).includes(': 404 ') || Date.now() > end) throw e
    }
    await pause(100)
  }
}

// A firewall, whose controller makes its machine, which no host is there for.
before(async () => {
  browser = await launch()
  await api('POST', firewalls, { apiVersion: 'ingot.dev/v1alpha1', kind: 'Firewall', metadata: { name: 'gate' }, spec: { machine, networks: [{ name: 'inside' }] } })
  await made(`${firewalls.replace('firewalls', 'machines')}/gate`)
})
after(async () => {
  await api('DELETE', `${firewalls}/gate`)
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 800 } }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

describe("a firewall's machine", () => {
  test('is replaced for a reason, by keys, and that is cancelled', async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await login(page)
    await page.goto('/firewalls/shop/gate')
    const replace = page.getByRole('button', { name: 'Replace the machine' })
    await replace.waitFor()
    await tabTo(page, replace)
    await page.keyboard.press('Enter')
    await page.getByLabel('Why', { exact: true }).waitFor()
    await shot(page, 'replace-asked')
    await clean(w, 'a replacement that is asked for')
    await page.keyboard.type('new kernel')
    await page.keyboard.press('Enter')
    const card = page.getByRole('region', { name: 'Replacement' })
    await card.getByText('⇄ being prepared').waitFor()
    await card.getByText(/new kernel/).first().waitFor()
    await card.getByRole('region', { name: 'Earlier machine' }).getByText('gate ✓ answers', { exact: true }).waitFor()
    await card.getByRole('region', { name: 'New machine' }).getByText(/^gate-\w+/).waitFor()
    await shot(page, 'replace-light')
    await clean(w, 'a replacement under way')
    const twin = await page.evaluate(async () => (await fetch('/firewalls/shop/gate.json')).json())
    assert.deepEqual([twin.body.replacement.phase, twin.body.mayReplace, twin.body.replacement.old.name], ['Preparing', true, 'gate'])
    await page.goto('/firewalls?only=replacing')
    await page.getByText('⇄ replaced: being prepared').waitFor()
    await clean(w, 'firewalls with one that is replaced')

    const small = await watched(browser, phone)
    await small.page.goto('/')
    await small.page.getByLabel('Token of the API server').fill(need('INGOT_WEB_VIEWER_TOKEN'))
    await small.page.getByRole('button', { name: 'Log in' }).click()
    await small.page.getByRole('button', { name: 'Log out' }).waitFor()
    await small.page.goto('/firewalls/shop/gate')
    await small.page.getByText('⇄ being prepared').waitFor()
    assert.equal(await small.page.getByRole('button', { name: /replace/i }).count(), 0, 'who may only look has a button')
    await fits(small.page)
    await small.page.getByRole('region', { name: 'Replacement' }).scrollIntoViewIfNeeded()
    await shot(small.page, 'replace-phone')
    await clean(small, 'a replacement on a phone')
    const said = await small.page.evaluate(async () => {
      const r = await fetch('/firewalls', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ firewall: 'shop/gate', cancel: true }) })
      return [r.status, (await r.json()).error]
    })
    assert.equal(said[0], 403, said[1])

    await page.goto('/firewalls/shop/gate')
    const cancel = page.getByRole('button', { name: 'Cancel the replacement' })
    await cancel.waitFor()
    await tabTo(page, cancel)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Give it back' }).waitFor()
    await page.keyboard.press('Enter')
    // Without a reload: the one that looks at it on the phone sees it end, too.
    await small.page.getByText('⇄ being prepared').waitFor({ state: 'detached' })
    await replace.waitFor()
    await card.waitFor({ state: 'detached' })
    await page.getByText(/GivenUp: gate-/).waitFor()
    await shot(page, 'replace-cancelled')
    await clean(w, 'a replacement that was cancelled')
    await small.context.close()
    await w.context.close()
  })
})
