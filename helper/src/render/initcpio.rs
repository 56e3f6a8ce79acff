//! The configurations of mkinitcpio: the clients' image, and the master's own. Pure.

use serde_json::json;

use crate::disk::tree::{Item, Tree};
use crate::paths;
use crate::render::template;
use crate::site::{Site, Storage};

/// Both configurations.
///
/// # Errors
/// When a template of ours fails, which is a defect of ours.
pub fn tree(site: &Site) -> anyhow::Result<Tree> {
    let environment = template::environment()?;
    let master = environment.render_str(
        include_str!("../../templates/mkinitcpio.voidclust.conf.j2"),
        template::values(json!({ "modules": site.master.modules, "zfs": site.master.storage == Storage::Zfs })),
    )?;
    let client = environment.render_str(
        include_str!("../../templates/mkinitcpio.net.conf.j2"),
        template::values(json!({
            "modules": site.client.modules,
            "drivers": site.client.drivers,
            "compression": site.client.compression,
            "compression_options": site.client.compression.options(),
        })),
    )?;
    let mut tree = Tree::default();
    tree.insert(paths::MASTER_INITCPIO, Item::file(master.into_bytes()));
    tree.insert(paths::CLIENT_INITCPIO, Item::file(client.into_bytes()));
    Ok(tree)
}
