// What lives of the communication matrix: the site's own matrix, with what its hosts report.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { api } from './api.mjs'
import { choose, clean, fits, launch, login, shot, tabTo, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 800 } }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

async function opened(options = wide) {
  const w = await watched(browser, options)
  await login(w.page)
  return w
}

const line = (page, words) => page.getByRole('list', { name: 'Flows' }).getByRole('listitem').filter({ hasText: words })
// said is what the line itself says of its state; each host's part is folded up below it.
const said = (page, words) => line(page, words).locator('.live')

describe('the matrix, live', () => {
  test('a matrix of the site is picked by keys, and says what its hosts have seen', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/matrix')
    await page.getByText('flows of Ingot itself, as declared: no host enforces this matrix.').waitFor()
    const which = page.getByRole('combobox', { name: 'Matrix' })
    await choose(page, which, 'shop')
    await page.waitForURL(/matrix=shop/)
    await page.getByText(/7 of 7 flows of Shop, enforced by 1 host: 3 seen, 1 unseen, 1 violated, 2 not enforced/).waitFor()
    await said(page, 'customers use the shop').getByText(/✓ seen/).waitFor()
    await said(page, 'customers use the shop').getByText(/last \d+m.* ago/).waitFor()
    await said(page, 'the shop reads and writes orders').getByText(/· unseen/).waitFor()
    await said(page, 'the shop reads and writes orders').getByText(/in force for 2d 2h/).waitFor()
    await shot(page, 'matrix-live-light')
    await clean(w, 'the matrix of a site')
    const only = page.getByRole('combobox', { name: 'Show' })
    await only.selectOption('violated')
    await page.waitForURL(/only=violated/)
    await page.getByText(/^1 of 7 flows/).waitFor()
    const summary = page.locator('[aria-label=Flows] summary').first()
    await tabTo(page, summary)
    await page.keyboard.press('Enter')
    await page.getByText('web1: row 2.1 (bastion-to-dmz) is for tcp port 22, and nothing listens there').waitFor()
    await shot(page, 'matrix-violated')
    await clean(w, 'a flow that is violated')
    await page.goto('/matrix?matrix=shop&only=not+enforced')
    await line(page, 'operators mend hosts').locator('summary').first().click()
    await page.getByText(/db1 .*unknown: ingot-node has not reported/).first().waitFor()
    const twin = await page.evaluate(async () => (await fetch('/matrix.json?matrix=shop')).json())
    const told = twin.rows.find((r) => r.key === '2.1').live
    assert.deepEqual([told.state, told.hosts.map((h) => [h.host, h.state])], ['violated', [['web1', 'violated']]])
    await w.context.close()
  })

  test('what a host reports is there without a reload', async () => {
    const w = await opened({ ...wide, colorScheme: 'dark' })
    const { page } = w
    await page.goto('/matrix?matrix=shop')
    const orders = said(page, 'the shop reads and writes orders')
    await orders.getByText(/· unseen/).waitFor()
    const marked = await page.evaluate(() => (window.still = true))
    assert.ok(marked)
    const path = '/apis/projectcalico.org/v3/hostendpoints/web1.eth0/status'
    const at = (ago) => new Date(Math.floor((Date.now() - ago) / 60_000) * 60_000).toISOString().replace('.000Z', 'Z')
    const rows = ['1.1', '1.2', '1.3', '2.1', '2.3'].map((row) => ({ matrix: 'shop', row, since: at(180_000_000), ...(row === '2.1' ? {} : { last: at(60_000) }) }))
    await api('PATCH', path, { status: { drift: [], rows } }, { token: 'INGOT_WEB_HOST_TOKEN', type: 'application/merge-patch+json' })
    await orders.getByText(/✓ seen/).waitFor()
    await page.getByText(/enforced by 1 host: 4 seen, 1 unseen, 0 violated, 2 not enforced/).waitFor()
    assert.ok(await page.evaluate(() => window.still), 'the page was loaded anew')
    await shot(page, 'matrix-live-dark')
    await clean(w, 'the matrix in the dark')
    await w.context.close()
  })

  test('fits a phone, whose menu shows the page that is open; one that is not there is said to be missing', async () => {
    const w = await opened(phone)
    const { page } = w
    await page.goto('/matrix?matrix=shop')
    await said(page, 'customers use the shop').getByText(/✓ seen/).waitFor()
    await fits(page)
    const inSight = () =>
      page.evaluate(() => {
        const e = document.querySelector('nav [aria-current]').getBoundingClientRect()
        return e.left >= 0 && e.right <= innerWidth
      })
    assert.ok(await inSight(), 'the menu does not show Matrix')
    await shot(page, 'matrix-live-phone')
    await clean(w, 'the matrix of a site on a phone')
    await page.goto('/settings')
    await page.getByRole('heading', { name: 'Settings' }).waitFor()
    assert.ok(await inSight(), 'the menu does not show Settings')
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    assert.ok(await inSight(), 'the menu does not show Overview')
    await page.goto('/matrix?matrix=nothing')
    await page.getByRole('alert').getByText('not found').waitFor()
    await w.context.close()
  })
})
