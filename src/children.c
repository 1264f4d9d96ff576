/* children: the records of a supervisor's children: in order, by index and by name. */
#include "src/supervisor.h"

/* Siblings in a row are near one another, for they are mostly looked at one after the other. */
static uint64_t index_key(const jzx__tree *tree, uint32_t index)
{
    return jzx__mix(tree->base.id) + index;
}

static uint64_t name_key(const jzx__tree *tree, const char *name)
{
    return jzx__mix(tree->base.id + jzx__mix(jzx__text_hash(name)));
}

static jzx__child *find_index(const jzx__tree *tree, uint32_t index)
{
    uint64_t key = index_key(tree, index);
    for (jzx__map_node *node = jzx__map_find(&tree->loop->children_by_key, key); node != NULL; node = node->next) {
        jzx__child *child = jzx__container_of(node, jzx__child, by_index);
        if (node->key == key && child->supervisor == &tree->base && child->index == index) {
            return child;
        }
    }
    return NULL;
}

static jzx__child *find_name(const jzx__tree *tree, const char *name)
{
    uint64_t key = name_key(tree, name);
    for (jzx__map_node *node = jzx__map_find(&tree->loop->children_by_name, key); node != NULL; node = node->next) {
        jzx__child *child = jzx__container_of(node, jzx__child, by_name);
        if (node->key == key && child->supervisor == &tree->base && strcmp(child->name, name) == 0) {
            return child;
        }
    }
    return NULL;
}

jzx__child *jzx__children_find(const jzx__tree *tree, const jzx_child_key *key)
{
    if (key->index != JZX_NO_CHILD) {
        return find_index(tree, key->index);
    }
    return key->name[0] != 0 ? find_name(tree, key->name) : NULL;
}

static void fill(jzx__child *child, const jzx__child_source *source)
{
    const jzx__plan_child *plan = source->plan;
    child->plan = plan;
    child->own_plan = source->own_plan;
    child->like = source->like;
    child->type = plan->type;
    child->restart = plan->restart;
    child->significant = plan->significant;
    child->shutdown_ns = plan->shutdown_ns;
    memcpy(child->name, plan->name, sizeof child->name);
    child->how.options = source->options != NULL ? source->options : &plan->options;
    child->how.register_name = plan->register_name ? plan->name : NULL;
    child->how.keep_mail = plan->keep_mail && plan->restart != JZX_TEMPORARY;
}

jzx_err jzx__children_add(jzx__tree *tree, const jzx__child_source *source, jzx__child **out)
{
    jzx_start_failure *failure = NULL;
    if (tree->count >= tree->plan->children_max) {
        return JZX_ERR_LIMIT;
    }
    if (source->plan->type == JZX_SUPERVISOR) {
        failure = jzx__block_make(tree->loop->runtime, sizeof *failure);
        if (failure == NULL) {
            return JZX_ERR_NO_MEMORY;
        }
    }
    jzx__child *child;
    jzx_err err = jzx__child_take(tree->loop, tree->base.resource.owner, &child);
    if (err != JZX_OK) {
        jzx__block_free(failure);
        return err;
    }
    fill(child, source);
    child->how.failure = failure;
    while (tree->next_index == JZX_NO_CHILD || find_index(tree, tree->next_index) != NULL) {
        tree->next_index++; /* it has come round: those still there are passed over */
    }
    child->index = tree->next_index++;
    child->supervisor = &tree->base;
    jzx__list_append(&tree->children, &child->sibling);
    jzx__map_add(&tree->loop->children_by_key, &child->by_index, index_key(tree, child->index));
    if (child->name[0] != 0) {
        jzx__map_add(&tree->loop->children_by_name, &child->by_name, name_key(tree, child->name));
    }
    tree->count++;
    tree->supervisors += child->type == JZX_SUPERVISOR;
    *out = child;
    return JZX_OK;
}

void jzx__children_forget(jzx__tree *tree, jzx__child *child)
{
    JZX_ASSERT(child->id == 0 && !child->spawning && tree->cursor != child && tree->active_child != child); /* B1 */
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    jzx__list_remove(&child->sibling);
    jzx__map_remove(&tree->loop->children_by_key, &child->by_index);
    if (child->name[0] != 0) {
        jzx__map_remove(&tree->loop->children_by_name, &child->by_name);
    }
    tree->count--;
    tree->supervisors -= child->type == JZX_SUPERVISOR;
    if (tree->group == child) {
        tree->group = NULL;
    }
    jzx__child_disinherit(tree->loop, child);
    jzx__plan_free(child->own_plan);
    jzx__block_free(child->like);
    jzx__block_free(child->how.failure);
    jzx__child_give(tree->loop, child);
}

void jzx__children_settle(jzx__child *child)
{
    if (child->restart != JZX_TEMPORARY || child->type != JZX_WORKER) {
        return;
    }
    jzx__block_free(child->like);
    child->like = NULL;
    if (child->own_plan != NULL) {
        jzx__plan_free(child->own_plan);
        child->own_plan = NULL;
        child->plan = NULL;
    }
}

static jzx__child *at(const jzx__tree *tree, jzx__list *node)
{
    return node == &tree->children ? NULL : jzx__container_of(node, jzx__child, sibling);
}

jzx__child *jzx__children_first(const jzx__tree *tree)
{
    return at(tree, tree->children.next);
}

jzx__child *jzx__children_last(const jzx__tree *tree)
{
    return at(tree, tree->children.prev);
}

jzx__child *jzx__children_next(const jzx__tree *tree, const jzx__child *child)
{
    return at(tree, child->sibling.next);
}

jzx__child *jzx__children_prev(const jzx__tree *tree, const jzx__child *child)
{
    return at(tree, child->sibling.prev);
}

void jzx__children_describe(const jzx__child *child, jzx_child_info *info)
{
    memset(info, 0, sizeof *info);
    info->id = child->id;
    info->index = child->index;
    info->state = child->state;
    info->incarnation = child->incarnation;
    info->restarts = child->restarts;
    info->type = child->type;
    info->restart = child->restart;
    memcpy(info->name, child->name, sizeof info->name);
}
