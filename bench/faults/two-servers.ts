/**
 * Ways to two servers of which one answers and one fails at once: this project's, and peers, each
 * as its documentation has it for two servers, and where it has one, with retries by status.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOwnGateway, startOwnNode } from '../gateway/own.ts'
import { installPortkey, isInstalled, portkeyService, startedAs } from '../gateway/peers.ts'
import { freePort, startService } from '../gateway/service.ts'
import type { Started } from '../gateway/target.ts'

export interface TwoServers {
  readonly healthyPort: number
  readonly failingPort: number
  /** For configurations and data; removed at the end. */
  readonly folder: string
}

export interface Way {
  readonly name: string
  start(servers: TwoServers): Promise<Started>
}

export const ways: readonly Way[] = [
  { name: 'isochrone: gateway', start: startUpstreams },
  { name: 'isochrone: gateway + nodes', start: startNodes },
  nginx('nginx least_conn', ''),
  nginx('nginx, retrying on 503', 'proxy_next_upstream error timeout http_503 non_idempotent;'),
  haproxy('haproxy, observing answers', 'retries 0'),
  haproxy('haproxy, retrying on 503', 'retries 3\n  retry-on 503\n  option redispatch 1'),
  portkey('portkey, load balance', 'loadbalance'),
  portkey('portkey, fallback', 'fallback'),
]

const local = (port: number) => `http://127.0.0.1:${port}/v1`

async function startUpstreams({ folder, healthyPort, failingPort }: TwoServers): Promise<Started> {
  const more = [
    ...['--upstream', `healthy=${local(healthyPort)}`],
    ...['--upstream', `failing=${local(failingPort)}`],
  ]
  return startOwnGateway('isochrone: gateway', join(folder, 'upstreams'), more)
}

async function startNodes({ folder, healthyPort, failingPort }: TwoServers): Promise<Started> {
  const home = join(folder, 'nodes')
  const { target, join: peer } = await startOwnGateway('isochrone: gateway + nodes', home)
  const nodes = [healthyPort, failingPort].map((port, i) => {
    return startOwnNode({ peer, folder: home, name: `node-${i}`, upstreamUrl: local(port) })
  })
  return { target: { ...target, services: [...target.services, ...nodes] } }
}

function nginx(name: string, more: string): Way {
  return {
    name,
    async start({ folder, healthyPort, failingPort }) {
      if (!isInstalled('nginx', ['-v'])) return { skipped: 'nginx is not installed' }
      const port = await freePort()
      const file = join(folder, `nginx-${port}.conf`)
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (kind) => `${kind}_temp_path ${folder}/${kind}-${port};`,
      )
      writeFileSync(
        file,
        `daemon off; worker_processes 1; pid ${folder}/nginx-${port}.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(' ')}
  upstream servers {
    least_conn; server 127.0.0.1:${healthyPort}; server 127.0.0.1:${failingPort}; keepalive 64;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://servers; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; ${more}
    }
  }
}
`,
      )
      const service = startService({ command: 'nginx', args: ['-p', folder, '-c', file] })
      return startedAs(name, port, service)
    },
  }
}

function haproxy(name: string, more: string): Way {
  return {
    name,
    async start({ folder, healthyPort, failingPort }) {
      if (!isInstalled('haproxy', ['-v'])) return { skipped: 'haproxy is not installed' }
      const port = await freePort()
      const file = join(folder, `haproxy-${port}.cfg`)
      const observed = 'check inter 10s observe layer7 error-limit 10 on-error mark-down'
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
  ${more}
frontend front
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
  balance leastconn
  server healthy 127.0.0.1:${healthyPort} ${observed}
  server failing 127.0.0.1:${failingPort} ${observed}
`,
      )
      const service = startService({ command: 'haproxy', args: ['-f', file, '-db'] })
      return startedAs(name, port, service)
    },
  }
}

function portkey(name: string, mode: 'loadbalance' | 'fallback'): Way {
  return {
    name,
    async start({ folder, healthyPort, failingPort }) {
      const fault = installPortkey()
      if (fault !== undefined) return { skipped: fault }
      const port = await freePort()
      // The failing one first: a fallback is for what fails.
      const targets = [failingPort, healthyPort].map((server) => {
        return { provider: 'openai', api_key: 'bench', custom_host: local(server), weight: 0.5 }
      })
      const config = JSON.stringify({ strategy: { mode }, targets })
      const { target } = startedAs(name, port, portkeyService(port, folder))
      return { target: { ...target, headers: { 'x-portkey-config': config } } }
    },
  }
}
