//! A profile in pprof's format.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use super::proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};
use super::{Frame, HeapProfile, Owner};
use crate::stacks;

/// Encodes and compresses it.
pub(super) fn encode(profile: &HeapProfile) -> Vec<u8> {
    let message = message(profile).encode_to_vec();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into a vector cannot fail.
    let _written = packed.write_all(&message);
    packed.finish().unwrap_or_default()
}

fn message(profile: &HeapProfile) -> Profile {
    let mut encoder = Encoder::new();
    let objects = encoder.value_type("inuse_objects", "count");
    let space = encoder.value_type("inuse_space", "bytes");
    encoder.profile.sample_type = vec![objects, space];
    encoder.profile.default_sample_type = space.r#type;
    encoder.profile.period_type = Some(encoder.value_type("space", "bytes"));
    encoder.profile.period = signed(profile.interval);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    encoder.profile.time_nanos = now.map_or(0, |now| now.as_nanos().try_into().unwrap_or(0));
    if profile.lost > 0 {
        let comment = format!("{} samples were lost for want of room", profile.lost);
        let comment = encoder.string(&comment);
        encoder.profile.comment.push(comment);
    }
    for stack in &profile.stacks {
        encoder.add(stack);
    }
    encoder.profile
}

/// The message, and the numbers of what is in it.
struct Encoder {
    profile: Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<Place, u64>,
    modules: Vec<stacks::Mapped>,
}

/// What a location stands for.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Code(u64, Option<i64>),
    Owner(i64),
}

impl Encoder {
    fn new() -> Self {
        let mut encoder = Self {
            profile: Profile::default(),
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
            modules: stacks::mapped(),
        };
        encoder.string("");
        for (id, module) in (1..).zip(encoder.modules.clone()) {
            let filename = encoder.string(&module.path.to_string_lossy());
            encoder.profile.mapping.push(Mapping {
                id,
                memory_start: module.addresses.start,
                memory_limit: module.addresses.end,
                filename,
                // Or a viewer would look for the file and ask it for names.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            });
        }
        encoder
    }

    fn add(&mut self, stack: &super::Stack) {
        let mut location_id = Vec::new();
        // Functions that were inlined share the address, and its location.
        for inlined in stack.frames.chunk_by(|a, b| a.address == b.address) {
            location_id.push(self.code(inlined));
        }
        let owner = stack.owner.to_string();
        if stack.truncated {
            location_id.push(self.named("[…]", ""));
        }
        location_id.push(match &stack.owner {
            Owner::Site(location) => self.named(&owner, &location.file),
            _ => self.named(&owner, ""),
        });
        let (task_key, site_key) = (self.string("task"), self.string("spawn site"));
        for share in &stack.shares {
            let mut label = Vec::new();
            if let Some(task) = share.task {
                label.push(Label {
                    key: task_key,
                    str: 0,
                    num: signed(task.0),
                });
            }
            if let Owner::Site(location) = &stack.owner {
                label.push(Label {
                    key: site_key,
                    str: self.string(&location.to_string()),
                    num: 0,
                });
            }
            self.profile.sample.push(Sample {
                location_id: location_id.clone(),
                value: vec![signed(share.blocks), signed(share.bytes)],
                label,
            });
        }
    }

    /// The location of an address, with its functions.
    fn code(&mut self, functions: &[Frame]) -> u64 {
        let Some(first) = functions.first() else {
            return 0;
        };
        // The allocator's are left out of what was inlined, where it was.
        let name = self.string(&first.function);
        let place = Place::Code(first.address, Some(name));
        let line = functions
            .iter()
            .map(|frame| Line {
                function_id: self.function(&frame.function, frame.file.as_deref().unwrap_or("")),
                line: frame.line.unwrap_or(0).into(),
            })
            .collect();
        let mapping_id = (1..)
            .zip(&self.modules)
            .find(|(_, module)| module.addresses.contains(&first.address))
            .map_or(0, |(id, _)| id);
        self.location(place, mapping_id, first.address, line)
    }

    /// The location of something that is no code.
    fn named(&mut self, name: &str, file: &str) -> u64 {
        let function_id = self.function(name, file);
        let place = Place::Owner(self.string(name));
        self.location(
            place,
            0,
            0,
            vec![Line {
                function_id,
                line: 0,
            }],
        )
    }

    fn location(&mut self, place: Place, mapping_id: u64, address: u64, line: Vec<Line>) -> u64 {
        let locations = &mut self.profile.location;
        *self.locations.entry(place).or_insert_with(|| {
            // In sequence, from one: some viewers insist on it.
            let id = locations.len() as u64 + 1;
            locations.push(Location {
                id,
                mapping_id,
                address,
                line,
            });
            id
        })
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, filename) = (self.string(name), self.string(file));
        let functions = &mut self.profile.function;
        *self.functions.entry((name, filename)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            functions.push(Function {
                id,
                name,
                system_name: name,
                filename,
            });
            id
        })
    }

    fn value_type(&mut self, name: &str, unit: &str) -> ValueType {
        ValueType {
            r#type: self.string(name),
            unit: self.string(unit),
        }
    }

    fn string(&mut self, string: &str) -> i64 {
        if let Some(known) = self.strings.get(string) {
            return *known;
        }
        let number = signed(self.profile.string_table.len() as u64);
        self.profile.string_table.push(string.to_owned());
        self.strings.insert(string.to_owned(), number);
        number
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
