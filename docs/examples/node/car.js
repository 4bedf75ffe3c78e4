// An example car in Node.js: asks for a pile, follows the promise while it drives, plugs in.
//
//   npm install && node car.js 127.0.0.1:50051 --latitude 22.55 --longitude 114.05 --soc 22
//
// The drive is made up: each step goes a part of the way to where the promise points now.
'use strict';

const crypto = require('node:crypto');
const path = require('node:path');
const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const SILENCE_MS = 60_000; // the coordinator beats every 20 s
const BROKEN = [
  grpc.status.UNAVAILABLE,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.CANCELLED,
  grpc.status.RESOURCE_EXHAUSTED,
  grpc.status.INTERNAL,
];

function service(protoDir) {
  const definition = loader.loadSync('pilewise/v1/charging_service.proto', {
    includeDirs: [protoDir],
    keepCase: true, // names as in the contract
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true, // `message.message` names which one is set
  });
  return grpc.loadPackageDefinition(definition).pilewise.v1.ChargingService;
}

function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// One call with a deadline; the same request_id makes a second try the same request.
function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// Follows a promise over streams that are opened anew, by its id, whenever they break.
class Guidance {
  constructor(client, promise, onEvent) {
    this.client = client;
    this.promise = promise;
    this.onEvent = onEvent;
    this.reportEveryMs = 5_000;
    this.closed = null;
    this.here = null;
    this.arrival = null;
    this.stream = null;
  }

  progress(latitude_deg, longitude_deg, soc_pct) {
    this.here = { position: { latitude_deg, longitude_deg }, soc_pct };
    this._write({ progress: this.here });
  }

  decide(revision, accepted) {
    this._write({ decision: { revision, accepted } });
  }

  arrived(evse_id = '') {
    this.arrival = { evse_id };
    this._write({ arrived: this.arrival });
  }

  async run() {
    for (let attempt = 0; this.closed === null; attempt += 1) {
      const heard = await this._oneStream();
      if (this.closed !== null) break;
      if (heard) attempt = 0;
      await later(Math.random() * Math.min(10_000, 200 * 2 ** attempt));
    }
    return this.closed;
  }

  _write(message) {
    if (this.stream !== null) this.stream.write(message);
  }

  // Resolves to whether anything was heard; rejects with what a new stream cannot mend.
  _oneStream() {
    return new Promise((resolve, reject) => {
      const stream = this.client.Guide();
      let heard = false;
      let silence = null;
      const listen = () => {
        clearTimeout(silence);
        silence = setTimeout(() => stream.cancel(), SILENCE_MS);
      };
      const end = (error) => {
        clearTimeout(silence);
        if (this.stream === stream) this.stream = null;
        if (error && !BROKEN.includes(error.code)) reject(error);
        else resolve(heard);
      };
      stream.on('data', (event) => {
        heard = true;
        listen();
        this._take(event);
      });
      stream.on('error', end);
      stream.on('end', () => end(null));
      const open = {
        recommendation_id: this.promise.recommendation_id,
        known_revision: this.promise.revision,
      };
      if (this.here !== null) open.progress = this.here;
      stream.write({ open });
      if (this.arrival !== null) stream.write({ arrived: this.arrival });
      this.stream = stream;
      listen();
    });
  }

  _take(event) {
    if (event.message === 'beat') {
      this.reportEveryMs = event.beat.report_every_s * 1000 || this.reportEveryMs;
      return;
    }
    // An offer is no promise before it was accepted and comes back without `accept_before`.
    const offered = event.message === 'promise' && event.promise.accept_before;
    if (event.message === 'promise' && !offered) this.promise = event.promise;
    if (event.message === 'closed') this.closed = event.closed;
    this.onEvent(event);
    if (offered) this.decide(event.promise.revision, true);
  }
}

function tell(event) {
  if (event.message === 'promise') {
    const { promise } = event;
    const where =
      promise.stage === 'STAGE_PILE' ? promise.choice.evse.evse_id : promise.area.name;
    const hold = promise.choice.hold.kind.replace('HOLD_KIND_', '');
    const why = promise.change ? ` ${promise.change.code}: ${promise.change.text}` : '';
    const what = promise.accept_before ? 'is offered' : 'drive to';
    console.log(`revision ${promise.revision}: ${what} ${where}, hold ${hold}${why}`);
  } else if (event.message === 'reminder') {
    console.log(`reminder: ${event.reminder.text}`);
  } else if (event.message === 'closed') {
    console.log(`end: ${event.closed.code}`);
  }
}

async function drive(guidance, here, soc, stepMs) {
  while (guidance.closed === null) {
    const goal = guidance.promise.area.navigate_to;
    here[0] += (goal.latitude_deg - here[0]) / 5;
    here[1] += (goal.longitude_deg - here[1]) / 5;
    soc -= 0.1;
    guidance.progress(here[0], here[1], soc);
    if (guidance.promise.stage === 'STAGE_PILE') break;
    await later(stepMs || guidance.reportEveryMs);
  }
  console.log('arrived');
  guidance.arrived();
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      vehicle: { type: 'string', default: 'EXAMPLE-2' },
      latitude: { type: 'string' },
      longitude: { type: 'string' },
      soc: { type: 'string', default: '30' },
      connector: { type: 'string', default: 'GBT_DC' },
      token: { type: 'string', default: '' },
      step: { type: 'string', default: '0' },
      proto: { type: 'string', default: path.join(__dirname, '..', '..', '..', 'proto') },
    },
  });
  const here = [Number(values.latitude), Number(values.longitude)];
  const soc = Number(values.soc);
  const Charging = service(values.proto);
  const client = new Charging(positionals[0], grpc.credentials.createInsecure(), {
    'grpc.keepalive_time_ms': 20_000,
  });
  const answer = await call(client, 'Recommend', {
    request_id: crypto.randomUUID(),
    vehicle_id: values.vehicle,
    vehicle: { battery_kwh: 60, connectors: [`CONNECTOR_STANDARD_${values.connector}`] },
    soc_pct: soc,
    position: { latitude_deg: here[0], longitude_deg: here[1] },
    id_token: values.token, // with one, the pile itself is reserved
  });
  if (!answer.promise) {
    console.log(`no pile: ${answer.empty_reason}: ${answer.empty_text}`);
    return 1;
  }
  console.log(answer.promise.choice.summary);
  const guidance = new Guidance(client, answer.promise, tell);
  const driving = drive(guidance, here, soc, Number(values.step) * 1000);
  const closed = await guidance.run();
  await driving;
  const charged = closed.code === 'ARRIVED';
  await call(client, 'ReportOutcome', {
    recommendation_id: answer.promise.recommendation_id,
    outcome: charged ? 'OUTCOME_KIND_CHARGED' : 'OUTCOME_KIND_ABANDONED',
  });
  client.close();
  return charged ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`error: ${error.message}`);
    process.exit(4);
  },
);
