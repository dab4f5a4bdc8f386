/**
 * The peers that stand between client and mock: proxies from Debian's packages, each with
 * keep-alive on both sides and without buffering, and Portkey's gateway from npm.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { versionIn } from '../machine.ts'
import { progress } from '../progress.ts'
import { freePort, type Service, startService } from './service.ts'
import type { StartContext, Started, Target } from './target.ts'

const portkeyFolder = join(import.meta.dirname, '..', 'peers', 'portkey')
const portkeyPackage = join(portkeyFolder, 'node_modules', '@portkey-ai', 'gateway')

export async function startNginx(context: StartContext): Promise<Started> {
  if (!isInstalled('nginx', ['-v'])) return { skipped: 'nginx is not installed' }
  const port = await freePort()
  const folder = join(context.folder, 'nginx')
  mkdirSync(join(folder, 'logs'), { recursive: true })
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  writeFileSync(
    file,
    `daemon off; worker_processes auto; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(' ')}
  keepalive_requests 1000000000;
  upstream mock {
    server 127.0.0.1:${context.mockPort}; keepalive 64; keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_buffering off;
    }
  }
}
`,
  )
  const service = startService({ command: 'nginx', args: ['-p', folder, '-c', file] })
  return startedAs('nginx', port, service)
}

export async function startHaproxy(context: StartContext): Promise<Started> {
  if (!isInstalled('haproxy', ['-v'])) return { skipped: 'haproxy is not installed' }
  const port = await freePort()
  const file = join(context.folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend mock
backend mock
  server mock 127.0.0.1:${context.mockPort}
`,
  )
  const service = startService({ command: 'haproxy', args: ['-f', file, '-db'] })
  return startedAs('haproxy', port, service)
}

export async function startCaddy(context: StartContext): Promise<Started> {
  if (!isInstalled('caddy', ['version'])) return { skipped: 'caddy is not installed' }
  const port = await freePort()
  const file = join(context.folder, 'Caddyfile')
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${context.mockPort}
}
`,
  )
  const args = ['run', '--config', file, '--adapter', 'caddyfile']
  const env = { XDG_DATA_HOME: context.folder, XDG_CONFIG_HOME: context.folder }
  return startedAs('caddy', port, startService({ command: 'caddy', args, env }))
}

export async function startPortkey(context: StartContext): Promise<Started> {
  const fault = installPortkey()
  if (fault !== undefined) return { skipped: fault }
  const port = await freePort()
  const service = portkeyService(port, context.folder)
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${context.mockPort}/v1`,
  }
  return { target: { ...startedAs('portkey', port, service).target, headers } }
}

export function portkeyService(port: number, folder: string): Service {
  const args = [join(portkeyPackage, 'build', 'start-server.js'), '--headless', `--port=${port}`]
  const env = { NODE_ENV: 'production' }
  return startService({ command: process.execPath, args, folder, env })
}

/** What is compared with, by name; what is not installed is left out. */
export function peerVersions(): Readonly<Record<string, string>> {
  const commands = { nginx: ['-v'], haproxy: ['-v'], caddy: ['version'] }
  const found: Record<string, string> = {}
  for (const [command, args] of Object.entries(commands)) {
    const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
    const version = /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0]
    if (error === undefined && version !== undefined) found[command] = version
  }
  const hono = join(portkeyFolder, 'node_modules', '@hono', 'node-server')
  if (existsSync(portkeyPackage)) {
    found['@portkey-ai/gateway'] = versionIn(join(portkeyPackage, 'package.json'))
    found['@hono/node-server'] = versionIn(join(hono, 'package.json'))
  }
  return found
}

export function startedAs(
  name: string,
  port: number,
  service: Service,
): { readonly target: Target } {
  return { target: { name, port, headers: {}, model: 'mock-model', services: [service] } }
}

export function isInstalled(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).error === undefined
}

/** Installs from the peer's own lockfile on the first run; what went wrong, or undefined. */
export function installPortkey(): string | undefined {
  if (existsSync(join(portkeyPackage, 'build', 'start-server.js'))) return undefined
  progress('installing Portkey’s gateway (once)')
  const args = ['ci', '--no-fund', '--no-audit', '--loglevel=error']
  const options = { cwd: portkeyFolder, encoding: 'utf8', shell: process.platform === 'win32' }
  const done = spawnSync('npm', args, { ...options, encoding: 'utf8' })
  if (done.status === 0) return undefined
  const reason = done.stderr || done.error?.message || 'npm failed'
  return `Portkey’s gateway could not be installed: ${reason.trim().split('\n')[0]}`
}
