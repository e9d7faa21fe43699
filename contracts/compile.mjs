// SPDX-License-Identifier: Apache-2.0 OR MIT
// Compiles CairnAnchor.sol into artifacts/CairnAnchor.json, or with --check says whether the committed artefact is what the
// source compiles to. `cargo xtask test` calls it. It never downloads anything: it takes the npm package `solc`, at exactly
// the version of package.json, from --modules DIR (a node_modules folder), NODE_PATH, or contracts/node_modules.
//
//   node contracts/compile.mjs [--check] [--modules DIR]
//
// Exit codes: 0 good, 1 the artefact differs or the source does not compile, 2 wrong arguments or no compiler.
import { readFileSync, writeFileSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const SOURCE = "CairnAnchor.sol";
const CONTRACT = "CairnAnchor";
const ARTIFACT = join(here, "artifacts", "CairnAnchor.json");

// The metadata hash is left out so that a change of a comment does not change the bytecode; the EVM version is the oldest that
// solc does not deprecate, so that the same bytes also run on consortium ledgers, which are years behind.
const SETTINGS = {
  evmVersion: "london",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  optimizer: { enabled: true, runs: 1000000 },
  viaIR: true,
};

class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function readArguments(args) {
  const options = { check: false, modules: [] };
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--check") options.check = true;
    else if (args[i] === "--modules" && i + 1 < args.length) options.modules.push(resolve(args[(i += 1)]));
    else throw new Failure(2, `unknown argument ${args[i]}; usage: compile.mjs [--check] [--modules DIR]`);
  }
  if (options.modules.length === 0) {
    const fromPath = (process.env.NODE_PATH ?? "").split(delimiter).filter((dir) => dir !== "");
    options.modules.push(...fromPath.map((dir) => resolve(dir)), join(here, "node_modules"));
  }
  return options;
}

function loadCompiler(modules) {
  const wanted = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).devDependencies.solc;
  const dir = modules.find((candidate) => existsSync(join(candidate, "solc", "package.json")));
  if (dir === undefined) {
    throw new Failure(2, `no npm package solc@${wanted} in ${modules.join(", ")}; run cargo xtask test, or npm ci in contracts/`);
  }
  const found = JSON.parse(readFileSync(join(dir, "solc", "package.json"), "utf8")).version;
  if (found !== wanted) throw new Failure(2, `${dir} has solc ${found}; package.json wants exactly ${wanted}`);
  return createRequire(import.meta.url)(join(dir, "solc"));
}

function compile(solc) {
  const input = {
    language: "Solidity",
    sources: { [SOURCE]: { content: readFileSync(join(here, SOURCE), "utf8") } },
    settings: { ...SETTINGS, outputSelection: { [SOURCE]: { [CONTRACT]: ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const complaints = output.errors ?? [];
  if (complaints.length > 0) throw new Failure(1, complaints.map((one) => one.formattedMessage).join("\n"));
  const { abi, evm } = output.contracts[SOURCE][CONTRACT];
  return {
    contract: CONTRACT,
    source: SOURCE,
    license: "Apache-2.0 OR MIT",
    compiler: solc.version(),
    settings: SETTINGS,
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
  };
}

function differences(committed, made) {
  const names = [...new Set([...Object.keys(committed), ...Object.keys(made)])];
  return names.filter((name) => JSON.stringify(committed[name]) !== JSON.stringify(made[name]));
}

function check(made, text) {
  if (!existsSync(ARTIFACT)) throw new Failure(1, `${ARTIFACT} is missing; run node contracts/compile.mjs`);
  const committed = readFileSync(ARTIFACT, "utf8");
  if (committed === text) return;
  let what;
  try {
    what = differences(JSON.parse(committed), made).join(", ") || "its formatting";
  } catch {
    what = "not JSON at all";
  }
  throw new Failure(1, `${ARTIFACT} is not what ${SOURCE} compiles to (${what}); run node contracts/compile.mjs and commit it`);
}

try {
  const options = readArguments(process.argv.slice(2));
  const made = compile(loadCompiler(options.modules));
  const text = `${JSON.stringify(made, null, 2)}\n`;
  if (options.check) check(made, text);
  else writeFileSync(ARTIFACT, text);
  const bytes = (made.deployedBytecode.length - 2) / 2;
  console.log(`${CONTRACT}: solc ${made.compiler}, ${bytes} bytes deployed, artefact ${options.check ? "as committed" : "written"}`);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`compile.mjs: ${error.message}`);
  process.exitCode = error.code;
}
