// What tests change behind a page's back: at the API server, as somebody who may.
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { need } from './browser.mjs'

export function api(method, path, body, { token = 'INGOT_WEB_TOKEN', type = 'application/json' } = {}) {
  const text = body && JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const r = request(
      need('INGOT_API_URL') + path,
      { method, ca: readFileSync(need('INGOT_API_CA')), headers: { Authorization: `Bearer ${need(token)}`, 'Content-Type': type } },
      (answer) => {
        let said = ''
        answer.on('data', (d) => (said += d))
        answer.on('end', () => (answer.statusCode < 300 ? resolve(JSON.parse(said)) : reject(new Error(`${method} ${path}: ${answer.statusCode} ${said}`))))
      },
    )
    r.on('error', reject)
    r.end(text)
  })
}

export const project = 'acme-web'

export const ips = `/apis/ingot.dev/v1alpha1/namespaces/${project}/ips`
