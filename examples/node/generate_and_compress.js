// Draws one image and compresses it, from the .proto files alone.
//
// npm install
// node generate_and_compress.js ../../protos 127.0.0.1:50051 127.0.0.1:50052 cars sedan 42 .
//
// PROTOS GENERATOR COMPRESSOR MODEL LABEL SEED OUT
// writes OUT/image.png and OUT/compressed.png and prints what the services said of them as JSON.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [protos, generatorAddress, compressorAddress, model, label, seed, out] = process.argv.slice(2);

const definition = protoLoader.loadSync(
  ["ganpress/v1/generator_service.proto", "ganpress/v1/compressor_service.proto"],
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true },
);
const v1 = grpc.loadPackageDefinition(definition).ganpress.v1;
// By default a client takes messages of 4 MB; the services send up to 64 MB.
const options = { "grpc.max_receive_message_length": 64 * 1024 * 1024 };
const generator = new v1.GeneratorService(generatorAddress, grpc.credentials.createInsecure(), options);
const compressor = new v1.CompressorService(compressorAddress, grpc.credentials.createInsecure(), options);
const DEADLINE_MS = 30_000;

function generate(request) {
  return new Promise((resolve, reject) => {
    const images = [];
    const call = generator.GenerateStream({ request }, { deadline: Date.now() + DEADLINE_MS });
    call.on("data", (message) => images.push(...message.images));
    call.on("error", reject);
    call.on("end", () => resolve(images));
  });
}

function compress(request) {
  return new Promise((resolve, reject) => {
    const limit = { deadline: Date.now() + DEADLINE_MS };
    compressor.Compress(request, limit, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

async function main() {
  const [image] = await generate({ model, label, count: 1, seed, format: "IMAGE_FORMAT_PNG" });
  const compressed = await compress({ image: image.data, options: { kmeans: { k: 8 } } });
  fs.writeFileSync(path.join(out, "image.png"), image.data);
  fs.writeFileSync(path.join(out, "compressed.png"), compressed.data);
  const { data: _, ...said } = image;
  const refusal = await generate({ model, label: "spaceship", count: 1 }).catch((error) => error);
  console.log(
    JSON.stringify({
      image: said,
      codec: compressed.codec,
      stats: compressed.stats,
      refusal: { code: grpc.status[refusal.code], details: refusal.details },
    }),
  );
}

main().catch((error) => {
  console.error(error.code ? `${grpc.status[error.code]}: ${error.details}` : error);
  process.exit(1);
});
