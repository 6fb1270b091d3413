import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { project } from './api.mjs'
import { clean, fits, launch, login, need, shot, tabTo, twin, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 900 } }
const dark = { ...wide, colorScheme: 'dark' }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

async function opened(path, options = wide) {
  const w = await watched(browser, options)
  await login(w.page)
  await w.page.goto(path)
  return w
}

describe('machines', () => {
  test('are filtered by phase and searched, in the URL', async () => {
    const w = await opened(`/machines?project=${project}`)
    const { page } = w
    await page.getByText(/^2 of \d+$/).waitFor()
    await page.getByRole('row', { name: /web-1.*Ready.*debian-12\.1.*default\/node-4/ }).waitFor()
    await shot(page, 'machines-light')
    await clean(w, 'machines')
    const waiting = page.getByRole('button', { name: /Waiting/ })
    await tabTo(page, waiting)
    await page.keyboard.press('Enter')
    await page.getByText(/^1 of \d+$/).waitFor()
    assert.equal(new URL(page.url()).searchParams.get('phase'), 'Waiting')
    await page.reload()
    await page.getByText(/^1 of \d+$/).waitFor()
    const link = page.getByRole('link', { name: 'web-2' })
    await tabTo(page, link)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'web-2' }).waitFor()
    await w.context.close()
  })

  test('one that waits says why, host by host, and what helps', async () => {
    const w = await opened(`/machines/${project}/web-2`, dark)
    const { page } = w
    await page.getByRole('heading', { name: 'Why no host' }).waitFor()
    await page.getByText('What helps:').waitFor()
    await page.getByRole('row', { name: /default\/node-0 no / }).waitFor()
    await page.getByRole('searchbox', { name: 'Search' }).fill('node-4')
    await page.getByText(/^1 of \d+$/).waitFor()
    await shot(page, 'machine-waiting-dark')
    await clean(w, 'a machine that waits')
    await w.context.close()
  })

  test('one that is ready shows its host, addresses and image, and leads to them', async () => {
    const w = await opened(`/machines/${project}/web-1`)
    const { page } = w
    const now = page.getByRole('region', { name: 'Now' })
    await now.getByText('✓ Ready', { exact: true }).waitFor()
    await page.getByRole('row', { name: /default\/node-4 this one/ }).waitFor()
    await page.getByRole('region', { name: 'Networks' }).getByRole('link', { name: `${project}/inside` }).first().waitFor()
    await shot(page, 'machine-light')
    await clean(w, 'a machine')
    await now.getByRole('link', { name: 'default/node-4' }).click()
    await page.getByRole('heading', { name: 'node-4' }).waitFor()
    await w.context.close()
  })

  test('fit a phone, in the dark', async () => {
    const w = await opened('/machines', phone)
    const { page } = w
    await page.getByRole('link', { name: 'web-1' }).waitFor()
    await fits(page)
    await shot(page, 'machines-phone')
    await clean(w, 'machines on a phone')
    await page.goto(`/machines/${project}/web-2`)
    await page.getByText('What helps:').waitFor()
    await fits(page)
    await shot(page, 'machine-phone')
    await clean(w, 'machine on a phone')
    await w.context.close()
  })

  test("a tenant sees the project's machines, and of the hosts what the controller says", async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await page.goto(`/machines?namespace=${project}`)
    await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TENANT_TOKEN'))
    await page.keyboard.press('Enter')
    await page.getByText('2 of 2').waitFor()
    await page.getByRole('link', { name: 'web-2' }).click()
    await page.getByText("Hosts are your provider's to see").waitFor()
    await page.getByText('The controller says:').waitFor()
    await shot(page, 'machine-tenant')
    await clean(w, "a tenant's machine")
    await w.context.close()
  })

  test('a tenant who may change them is at the console of a machine, and one who may look at objects is not', async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await page.goto(`/machines/${project}/web-1?namespace=${project}`)
    await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TENANT_EDITOR_TOKEN'))
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Open the serial console' }).click()
    await page.getByRole('region', { name: 'Console' }).getByText('Open: you type.').waitFor()
    await page.keyboard.type('mine for now')
    await page.waitForFunction(() => document.querySelector('.xterm-rows')?.innerText.replaceAll('\u00a0', ' ').includes('mine for now'))
    await clean(w, "a machine's console")
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.goto(`/machines/${project}/web-1?namespace=${project}`)
    await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TENANT_TOKEN'))
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Events' }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Open the serial console' }).count(), 0)
    await w.context.close()
  })

  test('have twins in JSON', async () => {
    const w = await opened('/machines')
    await twin(w.page, '/machines', 'rows')
    await twin(w.page, `/machines/${project}/web-1`, 'rows')
    await w.context.close()
  })
})
