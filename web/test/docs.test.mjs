import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { clean, fits, launch, login, shot, tabTo, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 900 } }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

describe('documentation', () => {
  test('is read without a session, and searched by keys', async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await page.goto('/')
    await page.getByRole('link', { name: 'the documentation' }).click()
    await page.waitForURL(/\/docs\/$/)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await shot(page, 'docs-light')
    await clean(w, 'documentation')
    await tabTo(page, page.getByRole('searchbox', { name: 'Search the documentation' }))
    await page.keyboard.type('air gap')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/docs\/search\?q=air\+gap/)
    await shot(page, 'docs-search')
    await clean(w, 'search of the documentation')
    const hit = page.locator('ol.hits a').first()
    await tabTo(page, hit)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/docs\/howto\/air-gap\.html/)
    await w.context.close()
  })

  test('shows its drawings, and leads back', async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await login(page)
    await page.getByRole('link', { name: 'Docs', exact: true }).click()
    await page.getByRole('link', { name: 'To the site\'s page' }).waitFor()
    await page.goto('/docs/reference/matrix.html')
    const drawing = page.getByRole('img').first()
    await drawing.waitFor()
    assert.ok(await drawing.evaluate(async (e) => (await e.decode(), e.naturalWidth > 0)), 'the drawing is not shown')
    await shot(page, 'docs-drawing')
    await clean(w, 'page with a drawing')
    await page.getByRole('link', { name: 'To the site\'s page' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await w.context.close()
  })

  test('fits a phone, in the dark', async () => {
    const w = await watched(browser, phone)
    await w.page.goto('/docs/howto/mesh.html')
    await w.page.getByRole('heading', { level: 1 }).waitFor()
    await fits(w.page)
    await shot(w.page, 'docs-phone')
    await clean(w, 'documentation on a phone')
    await w.context.close()
  })
})
